"""Why an element or attribute may be passed over. What is not named here must not be."""

from __future__ import annotations

_FOR_PEOPLE = "Said to people; it changes no value."
_SCHEDULE = "Tells how often a container comes; packets tell it themselves."
_RANGE = "How a value is stored by a program; its bits are the encoding's."
_SHOWN = "How a number is written; values are passed on as numbers."
_NAME = "A name that nothing refers to."
PASSED_ELEMENTS = {
    "LongDescription": _FOR_PEOPLE,
    "AliasSet": _FOR_PEOPLE,
    "AncillaryDataSet": _FOR_PEOPLE,
    "Header": _FOR_PEOPLE,
    "CommandMetaData": "The command side, told as a note: Heartline reads telemetry.",
    "ToString": _SHOWN,
    "DefaultRateInStream": _SCHEDULE,
    "RateInStreamSet": _SCHEDULE,
    "StreamSet": "Tells how frames come; packets are what is read.",
    "MessageSet": "Names containers once more, by criteria of its own.",
    "TimeAssociation": "It moves a value's time, told as a note: all of a packet have its own.",
    "SystemName": _FOR_PEOPLE,
    "PhysicalAddressSet": _FOR_PEOPLE,
}
PASSED_ATTRIBUTES = {
    "shortDescription": _FOR_PEOPLE,
    "operationalStatus": _FOR_PEOPLE,
    "description": _FOR_PEOPLE,
    "name": _NAME,
    "outputName": _NAME,
    "initialValue": "A value is shown once it was received; none is made up before.",
    "signed": _RANGE,
    "sizeInBits": _RANGE,
    "characterWidth": _RANGE,
    "factor": "The unit's name is passed on, and no value converted.",
    "form": "The unit's name is passed on, and no value converted.",
    "idlePattern": "What fills a container that is not filled; nothing is read there.",
    "maxSizeInBits": "Room to set aside; the packet's own end is what bounds a string.",
    "triggerRate": "An upper limit, for slow systems; every update is computed.",
    "dataSource": _FOR_PEOPLE,
    "readOnly": "Telemetry is not written to.",
    "changeThreshold": "For those who send changes alone.",
    "persistence": "Values are not kept from run to run.",
    "numberOfDimensions": "The dimensions of DimensionList are counted.",
}
