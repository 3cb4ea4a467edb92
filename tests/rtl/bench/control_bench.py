"""cocotb: the AXI4-Lite slave against a model of its registers, UART bridges against serial lines."""

import random
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from tests.rtl.bench.parts import chances

VERSION = 0x0102_0304
LIMIT_US = 2000  # 200,000 cycles; the longest test takes a tenth
CONTROL, STATUS, COUNT, CYCLES, IDENTITY, BEYOND = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14


async def start(dut) -> None:
    Clock(dut.clk_i, 10, unit="ns").start()
    for name in ("busy_i", "done_i", "error_i"):
        getattr(dut, name).value = 0
    for ports in (Ports(dut, number) for number in range(len(BRIDGES))):
        ports.rx_i.value, ports.valid_i.value, ports.ready_i.value = 1, 0, 0
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, 3)
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await FallingEdge(dut.clk_i)


@dataclass(frozen=True)
class Bridge:
    """Parameters of a flow_uart_bridge, whose ports in the harness start with its place in `BRIDGES`."""

    divider: int
    in_width: int
    out_width: int
    depth: int

    @property
    def in_bytes(self) -> int:
        return -(-self.in_width // 8)

    @property
    def out_bytes(self) -> int:
        return -(-self.out_width // 8)

    def beats(self, values: list[int]) -> list[int]:
        """What whole beats of bytes are."""
        whole = zip(*[iter(values)] * self.in_bytes, strict=True)
        return [int.from_bytes(bytes(beat), "little") & ((1 << self.in_width) - 1) for beat in whole]


# Two bytes either way; the least divider, FIFO and beat; an odd divider, three bytes, a FIFO of no power of two.
BRIDGES = (Bridge(8, 11, 13, 4), Bridge(4, 8, 1, 2), Bridge(13, 17, 24, 3))


class Ports:
    """The ports of one bridge of the harness, and the clock."""

    def __init__(self, dut, number: int):
        self.clk_i, self.bridge = dut.clk_i, BRIDGES[number]
        for name in PORTS:
            setattr(self, name, getattr(dut, f"u{number}_{name}"))


PORTS = ("rx_i", "tx_o", "error_o", "data_o", "valid_o", "ready_i", "data_i", "valid_i", "ready_o")


def pauses(seed: int, share: float):
    """A pause generator of cocotbext-axi: True holds a channel."""
    return (bool(held) for held in chances(seed, share))


def axi(dut, share: float) -> AxiLiteMaster:
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk_i, dut.rst_ni, reset_active_level=False)
    write, read = master.write_if, master.read_if
    channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)
    for seed, channel in enumerate(channels):
        channel.set_pause_generator(pauses(seed, share))
    return master


class Events:
    """Drives busy, done and error at random, and counts what the slave must count."""

    def __init__(self, dut):
        self.dut, self.starts, self.count, self.cycles, self.error = dut, 0, 0, 0, False
        self.random = random.Random(5)  # noqa: S311  # stimulus, not a secret

    async def run(self, cycles: int) -> None:
        await FallingEdge(self.dut.clk_i)
        for _ in range(cycles):
            busy, done, error = (self.random.random() < share for share in (0.6, 0.3, 0.02))
            self.dut.busy_i.value, self.dut.done_i.value, self.dut.error_i.value = busy, done, error
            await FallingEdge(self.dut.clk_i)
            self.count, self.cycles, self.error = self.count + done, self.cycles + busy, self.error or error
        self.dut.busy_i.value = self.dut.done_i.value = self.dut.error_i.value = 0
        await FallingEdge(self.dut.clk_i)

    async def watch_start(self) -> None:
        while True:
            await RisingEdge(self.dut.clk_i)
            self.starts += int(self.dut.start_o.value)


async def word(master: AxiLiteMaster, address: int) -> int:
    found = await with_timeout(master.read(address, 4), 20, "us")
    assert found.resp == (AxiResp.OKAY if address < BEYOND else AxiResp.SLVERR), hex(address)
    return int.from_bytes(found.data, "little")


async def put(master: AxiLiteMaster, address: int, data: bytes) -> None:
    found = await with_timeout(master.write(address, data), 20, "us")
    assert found.resp == (AxiResp.OKAY if address < BEYOND else AxiResp.SLVERR), hex(address)


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
@cocotb.parametrize(share=[0.0, 0.6])
async def registers(dut, share):
    """Every register, an address that is none, and start pulses of one cycle."""
    await start(dut)
    master, events = axi(dut, share), Events(dut)
    cocotb.start_soon(events.watch_start())
    assert [await word(master, a) for a in (CONTROL, STATUS, COUNT, CYCLES, IDENTITY, BEYOND, 0x1C)] == [
        0, 0, 0, 0, VERSION, 0, 0
    ]  # fmt: skip
    for _ in range(3):
        await events.run(40)
        found = [await word(master, a) for a in (STATUS, COUNT, CYCLES)]
        assert found == [2 * events.error, events.count, events.cycles]
    assert events.error and events.count > 10 and events.starts == 0
    dut.busy_i.value = 1
    await FallingEdge(dut.clk_i)
    assert await word(master, STATUS) == 3
    dut.busy_i.value = 0
    for address, data in ((CONTROL, b"\1\0\0\0"), (COUNT, b"\1\0\0\0"), (BEYOND, b"\1\0\0\0")):
        await put(master, address, data)
    assert events.starts == 1 and await word(master, COUNT) == events.count
    await put(master, CONTROL, b"\3\0\0\0")
    await ClockCycles(dut.clk_i, 3)
    assert events.starts == 2
    assert [await word(master, a) for a in (STATUS, COUNT, CYCLES, IDENTITY)] == [0, 0, 0, VERSION]


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
async def reads_and_writes_at_once(dut):
    """Channels do not wait for each other."""
    await start(dut)
    master, events = axi(dut, 0.5), Events(dut)
    cocotb.start_soon(events.watch_start())
    writes = [cocotb.start_soon(put(master, CONTROL, b"\1\0\0\0")) for _ in range(20)]
    reads = [cocotb.start_soon(word(master, IDENTITY)) for _ in range(20)]
    assert [await read for read in reads] == [VERSION] * 20
    for write in writes:
        await write
    await ClockCycles(dut.clk_i, 3)
    assert events.starts == 20


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
async def the_strobe_of_the_lowest_byte_counts(dut):
    """Driven by hand: a master pads what it does not write with zeros."""
    await start(dut)
    events = Events(dut)
    cocotb.start_soon(events.watch_start())
    dut.s_axil_awaddr.value, dut.s_axil_wdata.value = CONTROL, 1
    dut.s_axil_bready.value, dut.s_axil_arvalid.value = 1, 0
    for strobe, starts in ((0b1110, 0), (0b0001, 1)):
        dut.s_axil_wstrb.value = strobe
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 1
        await FallingEdge(dut.clk_i)
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 0
        await ClockCycles(dut.clk_i, 4)
        await FallingEdge(dut.clk_i)
        assert events.starts == starts


class Line:
    """A serial line, 8N1: sends on `rx_i` with random gaps, and reads `tx_o` in the middle of its bits."""

    def __init__(self, ports):
        self.ports, self.divider, self.bytes = ports, ports.bridge.divider, []
        self.random = random.Random(9)  # noqa: S311  # stimulus, not a secret

    async def bits(self, count: int) -> None:
        await ClockCycles(self.ports.clk_i, count * self.divider)

    async def send(self, value: int, stop: int = 1) -> None:
        for bit in (0, *((value >> i) & 1 for i in range(8)), stop):
            self.ports.rx_i.value = bit
            await self.bits(1)
        self.ports.rx_i.value = 1
        gap = self.random.randrange(2 * self.divider) if stop else 2 * self.divider
        await ClockCycles(self.ports.clk_i, gap)

    async def receive(self) -> None:
        while True:
            await FallingEdge(self.ports.tx_o)
            await ClockCycles(self.ports.clk_i, self.divider // 2)
            assert not self.ports.tx_o.value, "a start bit shorter than half a bit"
            found = 0
            for i in range(8):
                await self.bits(1)
                found |= int(self.ports.tx_o.value) << i
            await self.bits(1)
            assert self.ports.tx_o.value, "no stop bit"
            self.bytes.append(found)


async def taken(ports, beats: list[int], share: float) -> None:
    """Takes the beats that the bridge made, ready up and down."""
    held = chances(3, share)
    while True:
        ports.ready_i.value = int(not next(held))
        await RisingEdge(ports.clk_i)
        if ports.valid_o.value and ports.ready_i.value:
            beats.append(ports.data_o.value.to_unsigned())
        await FallingEdge(ports.clk_i)


async def offered(ports, beats: list[int]) -> None:
    """Offers beats to the bridge with random idle cycles."""
    idle = chances(4, 0.7)
    for beat in beats:
        while next(idle):
            ports.valid_i.value = 0
            await FallingEdge(ports.clk_i)
        ports.valid_i.value, ports.data_i.value = 1, beat
        moved = False
        while not moved:
            await RisingEdge(ports.clk_i)
            moved = bool(ports.ready_o.value)
            await FallingEdge(ports.clk_i)
    ports.valid_i.value = 0


EVERY_BRIDGE = range(len(BRIDGES))


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
@cocotb.parametrize(number=EVERY_BRIDGE, share=[0.0, 0.9])
async def bridged(dut, number, share):
    """Both directions at once."""
    await start(dut)
    ports, bridge = Ports(dut, number), BRIDGES[number]
    line, beats = Line(ports), []
    cocotb.start_soon(line.receive())
    cocotb.start_soon(taken(ports, beats, share))
    sent = [line.random.randrange(1 << 8) for _ in range(10 * bridge.in_bytes)]
    out = [line.random.randrange(1 << bridge.out_width) for _ in range(10)]
    cocotb.start_soon(offered(ports, out))
    for value in sent:
        await line.send(value)
    await line.bits(10 * bridge.out_bytes * 11)
    assert beats == bridge.beats(sent) and len(beats) == 10
    assert line.bytes == [byte for beat in out for byte in beat.to_bytes(bridge.out_bytes, "little")]
    assert not ports.error_o.value


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
@cocotb.parametrize(number=EVERY_BRIDGE)
async def a_byte_without_stop_bit_is_dropped(dut, number):
    """And a low too short for a start bit is no byte at all."""
    await start(dut)
    ports, bridge = Ports(dut, number), BRIDGES[number]
    line, beats = Line(ports), []
    cocotb.start_soon(taken(ports, beats, 0.0))
    ports.rx_i.value = 0
    await ClockCycles(dut.clk_i, max(1, bridge.divider // 2 - 2))
    ports.rx_i.value = 1
    await line.bits(3)
    good = list(range(0x12, 0x12 + bridge.in_bytes))
    for value in good[:-1]:
        await line.send(value)
    assert not ports.error_o.value
    await line.send(0x55, stop=0)
    assert ports.error_o.value
    await line.send(good[-1])
    await ClockCycles(dut.clk_i, 20)
    assert beats == bridge.beats(good) and len(beats) == 1


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
@cocotb.parametrize(number=EVERY_BRIDGE)
async def a_byte_too_many_is_lost_and_told(dut, number):
    """Nobody takes a beat: its bytes wait in the beat, others in the FIFO, one in the receiver."""
    await start(dut)
    ports, bridge = Ports(dut, number), BRIDGES[number]
    line, beats = Line(ports), []
    kept = list(range(1, bridge.in_bytes + bridge.depth + 2))
    for value in kept:
        await line.send(value)
    await line.bits(1)  # until the last byte is told of
    assert not ports.error_o.value
    await line.send(0xFF)
    await line.bits(1)
    assert ports.error_o.value
    cocotb.start_soon(taken(ports, beats, 0.0))
    rest = [0xA0 + place for place in range(-len(kept) % bridge.in_bytes or bridge.in_bytes)]
    for value in rest:
        await line.send(value)
    await ClockCycles(dut.clk_i, 20)
    assert beats == bridge.beats(kept + rest)
