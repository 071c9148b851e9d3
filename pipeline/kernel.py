"""The one way kernels are compiled: sequential in time, exact (no fastmath), without the GIL.

numba's file cache ran stale code after an edit of a helper in another module (its key is only the
caller's file). A product that promises audit cannot accept that, so the cache folder here is keyed
by a hash of every source of the core.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import cache, update_wrapper
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.core.compiler import Compiler, Flags
from numba.extending import intrinsic

# decorator and signature, up to the line on which the body begins
_HEAD = re.compile(r"@kernel\ndef \w+\([^()]*\)[^\n]*:(?: *#[^\n]*)?\n")
F = TypeVar("F", bound=Callable[..., Any])
_HOME = Path(__file__).parent.parent


@cache
def source_sha256() -> str:
    """SHA-256 over every Python source of the core, names and bytes."""
    digest = hashlib.sha256()
    for package in ("pipeline", "schemas"):
        for path in sorted((_HOME / package).rglob("*.py")):
            digest.update(str(path.relative_to(_HOME)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


_config: Any = numba.config
# with NUMBA_CACHE_DIR the operator chooses where the cache is, never what is taken from it
_place = Path(_config.CACHE_DIR) if _config.CACHE_DIR else Path.home() / ".cache" / "heartline"
CACHE = str(_place / source_sha256()[:16])


# Kernels get their arrays from outside and allocate none, so numba need not count references:
# with counting, each array handed to a helper costs an atomic pair a call (195 ns a packet for
# the decoder's tables). A kernel that allocates all the same does not compile.
_EXACT: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "_nrt": False}


class _Apart(Compiler):
    """Tells LLVM that the arrays of a kernel do not overlap.

    Else it checks every written array against every other at the start of each loop: 3 ns a
    sample in rows of 25, more than the work of most loops (docs/performance.md).
    """

    def __init__(self, *arguments: Any) -> None:
        flags = next(a for a in arguments if isinstance(a, Flags))
        flags.noalias = True  # type: ignore[misc, assignment]  # its options are slots made at run time
        super().__init__(*arguments)  # type: ignore[no-untyped-call]


def kernel(function: F) -> F:
    """Compile on first call, from the cache when this very source was compiled before.

    No array that a kernel writes may overlap another of its arguments. Called by position.
    """
    made = Compiled(function)
    names = made.fields
    spread = ", ".join(f"*{name}" if names[name] else name for name in names)
    exec(f"def call({', '.join(names)}): return entry({spread})", made.space)
    return cast(F, update_wrapper(made.space["call"], function))


def compiled(function: Callable[..., Any]) -> Compiled:
    """What stands behind a kernel."""
    made: Compiled = function.__globals__["compiled"]
    return made


def loop_of(kernel: Callable[..., Any], loop: Callable[..., Any], call: Any) -> Any:
    """Compile a loop around a kernel, and keep it where the kernel is kept. call: what the loop
    calls by that name."""
    of = inspect.unwrap(kernel)
    name = f"{of.__name__}_across"
    source = re.sub(r"\bloop\b", name, textwrap.dedent(inspect.getsource(loop)))
    above = "\n" * (of.__code__.co_firstlineno - 1)
    space: dict[str, Any] = {"call": call, "__name__": of.__module__}
    exec(compile(above + source, of.__code__.co_filename, "exec"), space)
    _config.CACHE_DIR = CACHE
    return numba.njit(cache=True, nogil=True, **_EXACT)(space[name])


class Compiled:
    """A kernel, compiled at its first call to a function of only arrays and numbers.

    numba looks up the type of an array in a table, but inspects a tuple at each call: 3 us a call
    with three tuples of six arrays, more than most kernels work on one row. So Python passes the
    fields of a tuple one by one, and the kernel puts them together again, which costs nothing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.fields = function, _fields_of(function)
        self.dispatcher: Any = None
        self.space: dict[str, Any] = {"compiled": self, "entry": self}

    def __call__(self, *given: Any) -> Any:
        return self._made()(*given)

    def _made(self) -> Any:
        _config.CACHE_DIR = CACHE  # numba reads its environment anew at each compilation
        if self.dispatcher is None:
            flat = _flat(self.function, self.fields) if any(self.fields.values()) else self.function
            made = numba.njit(cache=True, nogil=True, pipeline_class=_Apart, **_EXACT)(flat)
            self.dispatcher = self.space["entry"] = made
        return self.dispatcher

    def spread(self, given: Sequence[Any]) -> list[Any]:
        """The arguments as it is compiled for them."""
        pairs = zip(self.fields, given, strict=True)
        return [x for name, value in pairs for x in (value if self.fields[name] else (value,))]

    def address(self, given: tuple[Any, ...]) -> tuple[int, Any]:
        """Where the code for arguments of these types begins, and the type that it returns."""
        made = self._made()
        made.compile(given)
        one = made.overloads[given]
        return one.library.get_pointer_to_function(one.fndesc.llvm_func_name), one.fndesc.restype


def _fields_of(function: Callable[..., Any]) -> dict[str, tuple[str, ...]]:
    """Of each argument the names of a tuple's fields; () where it is no tuple. A tuple's class is
    named alone, so no annotation has to be evaluated when the module is imported."""
    kinds = {n: function.__globals__.get(k) for n, k in function.__annotations__.items()}
    return {n: getattr(k, "_fields", ()) for n, k in kinds.items() if n != "return"}


def _flat(function: Callable[..., Any], tuples: dict[str, tuple[str, ...]]) -> Callable[..., Any]:
    """The same function at the same lines, with one argument per field of its tuples.

    By its text: Python 3.11's `ast` fails where two threads use it at once (CPython issue 106905).
    """
    source = inspect.getsource(function)
    head = _HEAD.match(source)
    if head is None:
        raise TypeError(f"{function.__qualname__} does not begin as a kernel does")
    fields, again = [], []
    for name, of_tuple in tuples.items():
        names = [f"{name}_{field}" for field in of_tuple] or [name]
        fields += names
        if of_tuple:
            again.append(f"{name} = {function.__annotations__[name]}({', '.join(names)})")
    begin = [f"def {function.__name__}({', '.join(fields)}):", f"    {'; '.join(again)}"]
    above = "\n" * (function.__code__.co_firstlineno - 1)
    rest = "\n" * (head[0].count("\n") - 1) + source[head.end() :]
    space: dict[str, Any] = {}
    code = compile(above + "\n".join(begin) + rest, function.__code__.co_filename, "exec")
    exec(code, function.__globals__, space)
    return cast("Callable[..., Any]", space[function.__name__])


def inline(function: Callable[..., Any]) -> Any:
    """A helper of kernels, compiled (and inlined by LLVM, where it sees fit) into its callers."""
    return numba.njit(**_EXACT)(function)


def part(function: Callable[..., Any]) -> Any:
    """A piece of one kernel, split off for readability: LLVM always inlines it.

    It is optimised before that, so LLVM is told here too that its arrays do not overlap.
    """
    return numba.njit(forceinline=True, pipeline_class=_Apart, **_EXACT)(function)


def macro(function: Callable[..., Any]) -> Any:
    """A helper of one expression, inlined before LLVM sees it.

    Handing an array to a helper costs 3 ns a call; numba's own inlining is kept to single
    expressions, since it loses track of variables that are assigned twice.
    """
    return numba.njit(inline="always", **_EXACT)(function)


def _pointer(context: Any, builder: Any, array_type: Any, given: Any, kind: Any) -> Any:
    """Pointer to a number of a kind at `array[index]`, the first two that an intrinsic is given."""
    view = context.make_array(array_type)(context, builder, given[0])
    return builder.bitcast(builder.gep(view.data, [given[1]]), kind.as_pointer())


def _unaligned_load(bits: int | None) -> Callable[..., Any]:
    """Code of a load: big-endian whole numbers of so many bits; None: the type of the third."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.IntType(bits) if bits else args[2].type
        word = builder.load(_pointer(context, builder, sig.args[0], args, kind))
        word.align = 1
        return builder.bswap(word) if bits else word

    return generate


@intrinsic
def _load_be64(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """Eight bytes from `array[index]` on, as a big-endian u8: one unaligned load and a swap."""
    return types.uint64(array, types.int64), _unaligned_load(64)


@intrinsic
def _load_be32(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """Four bytes, as a big-endian u4."""
    return types.uint32(array, types.int64), _unaligned_load(32)


@intrinsic
def _load_le(typing_context: Any, array: Any, index: Any, like: Any) -> Any:  # noqa: ARG001
    """A little-endian number of the type of `like` from `array[index]` on."""
    return like(array, types.int64, like), _unaligned_load(None)


@intrinsic
def _store_le(typing_context: Any, array: Any, index: Any, value: Any) -> Any:  # noqa: ARG001
    """`value` as little-endian bytes from `array[index]` on: one unaligned store."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _pointer(context, builder, sig.args[0], args, args[2].type)
        builder.store(args[2], place).align = 1
        return context.get_dummy_value()

    return types.none(array, types.int64, value), generate


# called from kernels as load_be64(array, index), load_le(array, index, like), store_le(array, …)
load_be64: Any = _load_be64
load_be32: Any = _load_be32
load_le: Any = _load_le
store_le: Any = _store_le


@intrinsic
def _fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    """a · b + c of three floats of one width, rounded once (IEEE 754-2008, 5.4.1)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.fma(*args)

    return a(a, a, a), generate


fma: Any = _fma  # half the work of a product and a sum, and the same bits on every processor
