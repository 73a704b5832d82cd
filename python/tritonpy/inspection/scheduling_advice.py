"""Advice on the rules of batching, sequences and ensembles; read by `advice`."""

from __future__ import annotations

from typing import Final

_SEQUENCE: Final = "sequence_batching"
_CONTROL: Final = "sequence_batching.control_input"

MAKE_ENSEMBLE: Final = "write platform: \"ensemble\" and remove 'backend'"

# Pattern of the text, field, fix.
SCHEDULING: Final = (
    (
        r"^dynamic batching preferred size must be <=",
        "dynamic_batching.preferred_batch_size",
        "write sizes of at most max_batch_size, or raise max_batch_size",
    ),
    (
        r"^dynamic batching preferred size must be positive",
        "dynamic_batching.preferred_batch_size",
        "write sizes of 1 or more, or remove 'preferred_batch_size'",
    ),
    (
        r"default priority level must be in range \[1, (?P<levels>\d+)\]",
        "dynamic_batching.default_priority_level",
        "write default_priority_level: 1, or another level up to {levels}",
    ),
    (
        r"priority queue policy must have priority level in range \[1, (?P<levels>\d+)\]",
        "dynamic_batching.priority_queue_policy",
        "write keys from 1 to {levels}, or raise 'priority_levels'",
    ),
    (
        r"Only one priority level is allowed when",
        "dynamic_batching.preserve_ordering",
        "remove 'preserve_ordering', or 'priority_levels'",
    ),
    (
        r"Queue policy can not have DELAY",
        "dynamic_batching.preserve_ordering",
        "remove 'preserve_ordering', or write timeout_action: REJECT",
    ),
    (
        r"sequence batching preferred batch size must be <=",
        f"{_SEQUENCE}.oldest.preferred_batch_size",
        "write sizes of at most max_batch_size, or raise max_batch_size",
    ),
    (
        r"sequence batching preferred batch size must be positive",
        f"{_SEQUENCE}.oldest.preferred_batch_size",
        "write sizes of 1 or more, or remove 'preferred_batch_size'",
    ),
    (
        r"minimum slot utilization must be in range",
        f"{_SEQUENCE}.direct.minimum_slot_utilization",
        "write a number from 0.0 to 1.0",
    ),
    (r"control tensor must have a name", f"{_CONTROL}.name", 'write name: "START" or the like'),
    (
        r"control tensor '(?P<tensor>[^']*)' is specified for multiple",
        f"{_CONTROL}[{{tensor}}]",
        "give each control kind a tensor of its own",
    ),
    (
        r"specifies multiple (?P<kind>CONTROL_\w+) tensors",
        _CONTROL,
        "keep one control of kind {kind}",
    ),
    (
        r"must specify either 'int32_false_true'|more than one from 'int32_false_true'",
        f"{_CONTROL}.control",
        "write one of them, the type of the model's tensor: int32_false_true: [ 0, 1 ]",
    ),
    (
        r"control '(?P<field>\w+)' must have exactly 2 entries",
        f"{_CONTROL}.control",
        "write what stands for false and what for true: {field}: [ 0, 1 ]",
    ),
    (
        r"must not specify either 'int32_false_true'",
        f"{_CONTROL}.control",
        "remove it: a correlation id has a data_type, and no values for false and true",
    ),
    (
        r"unexpected data type for control CONTROL_SEQUENCE_CORRID",
        f"{_CONTROL}.control",
        "write data_type: TYPE_UINT64, or another of those allowed",
    ),
    (
        r"(?i)initial_state.* for state input '(?P<tensor>[^']*)'",
        f"{_SEQUENCE}.state[{{tensor}}].initial_state",
        "write one initial_state, with a name, and data_type and dims of the state, all fixed",
    ),
    (
        r"initial_state",
        f"{_SEQUENCE}.state.initial_state",
        "put the file, as large as the state, into the model's directory 'initial_state'",
    ),
    (
        r"ensemble scheduling must be set",
        "platform",
        "write ensemble_scheduling {{ step [ ... ] }}, or remove 'platform'",
    ),
    (
        r"ensemble scheduling cannot be set",
        "ensemble_scheduling",
        MAKE_ENSEMBLE,
    ),
    (
        r"instance group should not be specified",
        "instance_group",
        "remove it: only the models of the steps have instances",
    ),
    (
        r"(?P<field>optimization|model_warmup) (?:should not|can not) be specified",
        "{field}",
        "remove it: only the models of the steps have it",
    ),
    (
        r"must specify 'step'",
        "ensemble_scheduling",
        "write step [ {{ model_name: ... input_map ... output_map ... }} ]",
    ),
    (
        r"must specify '(?P<field>\w+)' in step (?P<step>\d+)",
        "ensemble_scheduling.step[{step}]",
        "write {field} in that step",
    ),
    (
        r"can appear in an output map only once for ensemble '[^']*' step (?P<step>\d+)",
        "ensemble_scheduling.step[{step}].output_map",
        "give the tensor of one of the steps another name",
    ),
    (
        r"ensemble (?P<role>input|output) '(?P<tensor>[^']*)' .* is not used",
        "{role}[{tensor}]",
        "name the tensor in the maps of a step, or remove the {role}",
    ),
    (
        r"output '(?P<tensor>[^']*)' for ensemble '[^']*' is not written",
        "output[{tensor}]",
        "let a step write it: output_map {{ key: <output of the model> value: <this name> }}, from "
        "tensors that are inputs or written by other steps",
    ),
    (
        r"ensemble tensor '(?P<tensor>[^']*)' is unused",
        "ensemble_scheduling.step",
        "remove '{tensor}' from the output_map, or use it in another step",
    ),
    (
        r"allows maximum batch size \d+, but .* maximum batch size to be (?P<most>-?\d+)",
        "max_batch_size",
        "write max_batch_size: {most}, or raise it in that model",
    ),
    (
        r"ensemble tensor \S+ is mapping to non-existing input (?P<name>\S+) in model (?P<of>\S+)",
        "ensemble_scheduling.step[{of}].input_map",
        "write an input of model '{of}' as key in place of '{name}'",
    ),
    (
        r"input (?P<name>\S+) in model (?P<of>\S+) is not mapped",
        "ensemble_scheduling.step[{of}].input_map",
        'write input_map {{ key: "{name}" value: <a tensor of the ensemble> }} in the step of '
        "'{of}'",
    ),
    (
        r"ensemble tensor \S+ is mapped from non-existing output (?P<name>\S+) in model "
        r"(?P<of>\S+)",
        "ensemble_scheduling.step[{of}].output_map",
        "write an output of model '{of}' as key in place of '{name}'",
    ),
    (
        r"ensemble tensor (?P<tensor>\S+): inconsistent (?P<what>data type|shape)",
        "ensemble_scheduling",
        "make the {what} of '{tensor}' the same in both, in the config that is wrong",
    ),
    (
        r"originated from different decoupled models",
        "ensemble_scheduling.step",
        "let only one decoupled model lie on the way to each step and to the outputs",
    ),
    (
        r"contains models that are not available or ambiguous: (?P<of>\S+)",
        "ensemble_scheduling.step[{of}].model_name",
        "add model '{of}' to the repository, or name one that is there",
    ),
    (
        r"depends on '(?P<of>[^']*)' whose required version (?P<version>\d+)",
        "ensemble_scheduling.step[{of}].model_version",
        "write model_version: -1 for the newest, or let '{of}' serve version {version} "
        "(version_policy)",
    ),
    (
        r"depends on '(?P<of>[^']*)' which has no loaded version",
        "ensemble_scheduling.step[{of}].model_name",
        "mend model '{of}' first",
    ),
    (
        r"circular dependency between ensembles",
        "ensemble_scheduling.step",
        "take one of these ensembles out of the steps of another",
    ),
)
