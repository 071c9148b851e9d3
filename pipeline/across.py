"""A kernel over many sites: one compiled loop in place of a call from Python for each of them.

A call from Python costs 2 to 10 us, which is more than most kernels work on one row, and there are
a dozen a container. So the arguments of every site stand in a table of numbers: of an array its
address and shape, of a tuple its fields. The loop reads a row of it, and calls the kernel that is
compiled already (`pipeline.kernel`), whose code it does not repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from pipeline.kernel import compiled, loop_of
from schemas.columns import I8

Array = np.ndarray[Any, Any]
Place = I8 | int
_typeof: Any = numba.typeof


class Across:
    """Sites of one kernel. arguments: of each site, as the kernel takes them; what comes with each
    batch is an example of its type. C-contiguous arrays, whole numbers and tuples of both.

    table i8[sites, columns]. The arrays of the arguments are kept, so none of them is gone while
    its address stands here; a stage that replaces one of them writes into it instead.
    """

    def __init__(self, kernel: Callable[..., Any], arguments: Sequence[Sequence[Any]]) -> None:
        made = compiled(kernel)
        self.name, self._kept, self._shared = kernel.__name__, arguments, dict[str, Array]()
        flat = [_leaves(made.fields, site) for site in arguments]
        self._column: dict[str, int] = {}
        self._kind = {name: getattr(value, "dtype", None) for name, value in flat[0]}
        width = 0
        for name, value in flat[0]:
            self._column[name] = width
            width += 1 + getattr(value, "ndim", 0)
        self.table: I8 = np.array([_row(site) for site in flat], np.int64).reshape(-1, width)
        given = tuple(_typeof(value) for value in made.spread(arguments[0]))
        kinds = [[(name, _kind(value)) for name, value in site] for site in flat]
        if any(of != kinds[0] for of in kinds):
            raise TypeError(f"{self.name}: sites whose arguments differ in type")
        self._address, result = made.address(given)
        self._results = len(result) if isinstance(result, types.BaseTuple) else 1
        self._loop = _loop(kernel, given, result)

    def put(self, name: str, value: Place, sites: Any = slice(None)) -> None:
        """Set a number."""
        self.table[sites, self._column[name]] = value

    def part(
        self, name: str, array: Array, begin: Place, *shape: Place, sites: Any = slice(None)
    ) -> None:
        """Give each site its part of one flat array, which is kept: where it begins, its shape."""
        if array.dtype != self._kind[name] or not array.flags.c_contiguous:
            raise TypeError(f"{self.name}: {name} is not of its type, or not contiguous")
        first = self._column[name]
        self._shared[name] = array
        self.table[sites, first] = address(array) + array.itemsize * begin
        for axis, length in enumerate(shape, 1):
            self.table[sites, first + axis] = length

    def give(self, name: str, site: int, array: Array) -> None:
        """Give one site an array of its own, which stands where it is as long as the site does."""
        first = self._column[name]
        self.table[site, first : first + 1 + array.ndim] = address(array), *array.shape

    def has(self, name: str) -> bool:
        """Whether the kernel has an argument of this name."""
        return name in self._column

    def lengthen(self, name: str, length: Place, sites: Any = slice(None)) -> None:
        """Set how long the first axis of an array is, which stays where it is."""
        self.table[sites, self._column[name] + 1] = length

    def share(self, name: str, array: Array) -> None:
        """Give every site the same array, or a contiguous copy of it."""
        own = np.ascontiguousarray(array, self._kind[name])
        self.part(name, own, 0, *own.shape)

    def run(self, sites: I8) -> I8:
        """Call the kernel on these sites in turn; what each call returns, [sites, results]."""
        out = np.zeros((len(sites), self._results), np.int64)
        self._loop(self._address, self.table, sites, out)
        return out


def address(array: Array) -> int:
    """Where an array begins. It must be contiguous."""
    return int(array.__array_interface__["data"][0])


def _kind(value: Any) -> Any:
    return (value.dtype, value.ndim) if isinstance(value, np.ndarray) else type(value)


def _leaves(fields: dict[str, tuple[str, ...]], given: Sequence[Any]) -> list[tuple[str, Any]]:
    """Arrays and numbers of a site, each with its name: `argument`, or `argument.field`."""
    found: list[tuple[str, Any]] = []

    def visit(name: str, value: Any) -> None:
        if isinstance(value, tuple):
            for field, one in zip(value._fields, value, strict=True):  # type: ignore[attr-defined]
                visit(f"{name}.{field}", one)
        else:
            found.append((name, value))

    for name, value in zip(fields, given, strict=True):
        visit(name, value)
    return found


def _row(site: Sequence[tuple[str, Any]]) -> list[int]:
    row: list[int] = []
    for name, value in site:
        if isinstance(value, np.ndarray):
            if not value.flags.c_contiguous:
                raise TypeError(f"{name} is not contiguous")
            row += [address(value), *value.shape]
        else:
            row.append(int(value))
    return row


@cache
def _loop(kernel: Callable[..., Any], given: tuple[Any, ...], result: Any) -> Callable[..., None]:
    """Compiled: (address of the kernel, table, sites, results) -> None."""
    call = _call(given, result)

    def loop(address: int, table: I8, sites: I8, out: I8) -> None:
        for s in range(len(sites)):
            call(address, table, sites[s], out, s)

    made: Callable[..., None] = loop_of(kernel, loop, call)
    return made


def _call(given: tuple[Any, ...], result: Any) -> Any:
    """Calls a function of the types given with the arguments in a row of a table."""

    @intrinsic
    def call(typing_context: Any, address: Any, table: Any, row: Any, out: Any, at: Any) -> Any:  # noqa: ARG001
        signature = types.none(types.int64, table, types.int64, out, types.int64)
        return signature, generate

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address, table, row, out, at = args
        words = _Words(context, builder, _pointer(context, builder, sig.args[1], table, row))
        values = [words.next(kind) for kind in given]
        convention = context.call_conv
        kind = convention.get_function_type(result, given)
        callee = builder.inttoptr(address, kind.as_pointer())
        _, value = convention.call_function(builder, callee, result, given, values)
        told = _pointer(context, builder, sig.args[3], out, at)
        parts: list[Any]
        if isinstance(result, types.BaseTuple):
            parts = list(zip(_types(result), _unpacked(builder, value), strict=True))
        else:
            parts = [] if result == types.none else [(result, value)]
        for i, (part, one) in enumerate(parts):
            number = context.cast(builder, one, part, types.int64)
            builder.store(number, builder.gep(told, [ir.Constant(ir.IntType(64), i)]))
        return context.get_dummy_value()

    return call


def _pointer(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Pointer to the first number of a row of i8[n, k]."""
    view = context.make_array(kind)(context, builder, array)
    width = _unpacked(builder, view.shape)[1]
    return builder.gep(view.data, [builder.mul(row, width)])


def _types(kind: Any) -> Any:
    return kind.types


def _unpacked(builder: Any, value: Any) -> list[Any]:
    unpack: Any = cgutils.unpack_tuple
    return list(unpack(builder, value))


class _Words:
    """Reads a row of the table, word by word."""

    def __init__(self, context: Any, builder: Any, first: Any) -> None:
        self._context, self._builder, self._first, self._at = context, builder, first, 0

    def next(self, kind: Any) -> Any:
        """A value of this type."""
        if isinstance(kind, types.BaseTuple):
            fields = [self.next(one) for one in _types(kind)]
            return self._context.make_tuple(self._builder, kind, fields)
        if isinstance(kind, types.Array):
            return self._array(kind)
        return self._context.cast(self._builder, self._word(), types.int64, kind)

    def _word(self) -> Any:
        place = ir.Constant(ir.IntType(64), self._at)
        self._at += 1
        return self._builder.load(self._builder.gep(self._first, [place]))

    def _array(self, kind: Any) -> Any:
        context, builder = self._context, self._builder
        made = context.make_array(kind)(context, builder)
        element = context.get_data_type(kind.dtype)
        data = builder.inttoptr(self._word(), element.as_pointer())
        shape = [self._word() for _ in range(kind.ndim)]
        size = context.get_constant(types.intp, context.get_abi_sizeof(element))
        strides = [size]
        for length in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], length))
        populate: Any = arrayobj.populate_array
        populate(made, data, shape, strides, size, None)
        return made._getvalue()


class Scratch:
    """Arrays by name that sites share, each a part of its own; grown when a batch needs more."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def room(self, name: str, kind: Any, size: int) -> Array:
        """At least `size` numbers, with what was left in them."""
        have = self._arrays.get(name)
        if have is None or len(have) < size:
            have = self._arrays[name] = np.zeros(size + size // 2, kind)
        return have


def starts(sizes: I8) -> I8:
    """Where each of several parts begins that stand one behind the other, and where they end."""
    found = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=found[1:])
    return found
