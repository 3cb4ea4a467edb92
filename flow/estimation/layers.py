"""Each layer of a streaming top as a module of its own, so that synthesis can measure it out of context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flow.exporters.verilog import Plan
from flow.exporters.verilog.handshakes import Instance
from flow.exporters.verilog.instances import assignments, instances, wires
from flow.ir import Relu, Requantize

__all__ = ["absorbed", "instance_node", "layer_modules"]

_CLOCK = {"clk_i", "rst_ni"}


@dataclass(slots=True)
class _Slice:
    """What belongs to one node: instances and assignments of the top."""

    instances: list[Instance] = field(default_factory=list)
    assigns: list[tuple[str, str]] = field(default_factory=list)

    def driven(self) -> set[str]:
        """Signals that the slice drives, all or some of their bits."""
        ports = (signal for i in self.instances for port, signal in i.ports.items() if port.endswith("_o"))
        return {_base(signal) for signal in ports} | {_base(target) for target, _ in self.assigns}

    def read(self) -> set[str]:
        """Signals that the slice reads."""
        ports = (signal for i in self.instances for port, signal in i.ports.items() if not port.endswith("_o"))
        return {_base(signal) for signal in ports} | {_base(source) for _, source in self.assigns}


def _base(signal: str) -> str:
    """The name without a bit select."""
    return signal.split("[", maxsplit=1)[0]


def instance_node(plan: Plan, instance: Instance) -> str:
    """The node that an instance belongs to: what it computes, what it queues for, or what it sends out."""
    nodes = {stream.name: name for name, stream in plan.streams.items()}
    return nodes[instance.name.removeprefix("u_").split("__")[-1]]


def absorbed(plan: Plan, name: str) -> str | None:
    """The cast into whose logic a ReLU disappears: its only reader. None for every other node."""
    readers = plan.streams[name].readers
    if isinstance(plan.graph[name], Relu) and len(readers) == 1 and readers[0]:
        return readers[0] if isinstance(plan.graph[readers[0]], Requantize) else None
    return None


def _slices(plan: Plan) -> dict[str, _Slice]:
    """The slice of every node that is measured; a ReLU that a cast absorbs is measured with it."""
    found = {name: _Slice() for name in plan.streams}
    for instance in instances(plan):
        found[instance_node(plan, instance)].instances.append(instance)
    owner = {f"{s.name}_{signal}": name for name, s in plan.streams.items() for signal in ("data", "valid", "ready")}
    for target, source in assignments(plan):
        # Data and valid belong to the node that makes them, ready to the node that is asked.
        found[
            owner[_base(source if target.split("[")[0].endswith(("_ready", "_ready_fork")) else target)]
        ].assigns.append((target, source))
    for name in list(found):
        home = absorbed(plan, name)
        if home is not None:
            part = found.pop(name)
            found[home].instances += part.instances
            found[home].assigns += part.assigns
    return found


def _widths(plan: Plan) -> dict[str, int]:
    """Bits of every signal of the top that is wider than one."""
    ports = {"s_axis_tdata": -(-plan.streams[plan.graph.input.name].width // 8) * 8}
    ports |= {f"{plan.axis(name)}_tdata": -(-plan.streams[name].width // 8) * 8 for name in plan.outputs}
    return {wire.name: wire.width for wire in wires(plan)} | ports


def _declare(direction: str, names: Iterable[str], widths: Mapping[str, int]) -> list[str]:
    return [f"{direction}logic [{widths.get(name, 1) - 1}:0] {name}" for name in sorted(names)]


def _instance(instance: Instance) -> str:
    parameters = ", ".join(f".{key}({value})" for key, value in instance.parameters.items())
    ports = ", ".join(f".{key}({value})" for key, value in instance.ports.items())
    return f"  {instance.module} #({parameters}) {instance.name} ({ports});\n"


def _module(name: str, part: _Slice, elsewhere: set[str], widths: Mapping[str, int]) -> str:
    driven, read = part.driven(), part.read()
    inner = {signal for signal in driven if signal in read and signal not in elsewhere}
    ports = _declare("input ", (read - driven) | _CLOCK, widths) + _declare("output ", driven - inner, widths)
    body = "".join(f"  {line};\n" for line in _declare("", inner, widths))
    body += "".join(f"  assign {target} = {source};\n" for target, source in part.assigns)
    return f"module {name} ({', '.join(ports)});\n{body}{''.join(map(_instance, part.instances))}endmodule\n"


def layer_modules(plan: Plan) -> dict[str, tuple[str, str]]:
    """Module name and text by node name; a node without hardware of its own is not in it."""
    slices, widths = {n: s for n, s in _slices(plan).items() if s.instances}, _widths(plan)
    outside = {f"{plan.axis(name)}_{signal}" for name in plan.outputs for signal in ("tdata", "tvalid", "tlast")}
    found = {}
    for name, part in slices.items():
        elsewhere = outside | {"s_axis_tready", "frame_error_o"}
        elsewhere |= {signal for other in slices.values() if other is not part for signal in other.read()}
        module = f"measured_{plan.streams[name].name}"
        found[name] = (module, _module(module, part, elsewhere, widths))
    return found
