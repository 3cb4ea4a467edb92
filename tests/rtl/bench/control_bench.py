"""cocotb: the AXI4-Lite slave against a model of its registers, the UART bridge against a serial line."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from tests.rtl.bench.parts import chances

DIVIDER = 8
VERSION = 0x0102_0304
LIMIT_US = 2000  # 200,000 cycles; the longest test takes a tenth
CONTROL, STATUS, COUNT, CYCLES, IDENTITY, BEYOND = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14


async def start(dut) -> None:
    Clock(dut.clk_i, 10, unit="ns").start()
    for name in ("busy_i", "done_i", "error_i", "beat_valid_i", "beat_ready_i"):
        getattr(dut, name).value = 0
    dut.rx_i.value = 1
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, 3)
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await FallingEdge(dut.clk_i)


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

    def __init__(self, dut):
        self.dut, self.bytes = dut, []
        self.random = random.Random(9)  # noqa: S311  # stimulus, not a secret

    async def send(self, value: int, stop: int = 1) -> None:
        for bit in (0, *((value >> i) & 1 for i in range(8)), stop):
            self.dut.rx_i.value = bit
            await ClockCycles(self.dut.clk_i, DIVIDER)
        self.dut.rx_i.value = 1
        await ClockCycles(self.dut.clk_i, self.random.randrange(2 * DIVIDER) if stop else 2 * DIVIDER)

    async def receive(self) -> None:
        while True:
            await FallingEdge(self.dut.tx_o)
            await ClockCycles(self.dut.clk_i, DIVIDER // 2)
            assert not self.dut.tx_o.value, "a start bit shorter than half a bit"
            found = 0
            for i in range(8):
                await ClockCycles(self.dut.clk_i, DIVIDER)
                found |= int(self.dut.tx_o.value) << i
            await ClockCycles(self.dut.clk_i, DIVIDER)
            assert self.dut.tx_o.value, "no stop bit"
            self.bytes.append(found)


async def taken(dut, beats: list[int], share: float) -> None:
    """Takes the beats that the bridge made, ready up and down."""
    held = chances(3, share)
    while True:
        dut.beat_ready_i.value = int(not next(held))
        await RisingEdge(dut.clk_i)
        if dut.beat_valid_o.value and dut.beat_ready_i.value:
            beats.append(dut.beat_data_o.value.to_unsigned())
        await FallingEdge(dut.clk_i)


async def offered(dut, beats: list[int]) -> None:
    """Offers beats to the bridge with random idle cycles."""
    idle = chances(4, 0.7)
    for beat in beats:
        while next(idle):
            dut.beat_valid_i.value = 0
            await FallingEdge(dut.clk_i)
        dut.beat_valid_i.value, dut.beat_data_i.value = 1, beat
        moved = False
        while not moved:
            await RisingEdge(dut.clk_i)
            moved = bool(dut.beat_ready_o.value)
            await FallingEdge(dut.clk_i)
    dut.beat_valid_i.value = 0


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
@cocotb.parametrize(share=[0.0, 0.9])
async def bridged(dut, share):
    """Eleven bits a beat in, as two bytes; thirteen bits out; both directions at once."""
    await start(dut)
    line, beats = Line(dut), []
    cocotb.start_soon(line.receive())
    cocotb.start_soon(taken(dut, beats, share))
    sent = [line.random.randrange(1 << 8) for _ in range(40)]
    out = [line.random.randrange(1 << 13) for _ in range(20)]
    cocotb.start_soon(offered(dut, out))
    for value in sent:
        await line.send(value)
    await ClockCycles(dut.clk_i, 20 * 2 * 11 * DIVIDER)
    assert beats == [(low | high << 8) & 0x7FF for low, high in zip(sent[::2], sent[1::2], strict=True)]
    assert line.bytes == [byte for beat in out for byte in (beat & 0xFF, beat >> 8)]
    assert not dut.uart_error_o.value


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
async def a_byte_without_stop_bit_is_dropped(dut):
    """And a low too short for a start bit is no byte at all."""
    await start(dut)
    line, beats = Line(dut), []
    cocotb.start_soon(taken(dut, beats, 0.0))
    dut.rx_i.value = 0
    await ClockCycles(dut.clk_i, DIVIDER // 2 - 2)
    dut.rx_i.value = 1
    await ClockCycles(dut.clk_i, 3 * DIVIDER)
    await line.send(0x12)
    assert not dut.uart_error_o.value
    await line.send(0x55, stop=0)
    assert dut.uart_error_o.value
    await line.send(0x03)
    await ClockCycles(dut.clk_i, 20)
    assert beats == [0x312]


@cocotb.test(timeout_time=LIMIT_US, timeout_unit="us")
async def a_byte_too_many_is_lost_and_told(dut):
    """Nobody takes a beat: two bytes wait in the beat, four in the FIFO, one in the receiver."""
    await start(dut)
    line, beats = Line(dut), []
    for value in range(1, 8):
        await line.send(value)
    assert not dut.uart_error_o.value
    await line.send(8)
    assert dut.uart_error_o.value
    cocotb.start_soon(taken(dut, beats, 0.0))
    await line.send(9)
    await ClockCycles(dut.clk_i, 20)
    assert beats == [0x201, 0x403, 0x605, (0x07 | 9 << 8) & 0x7FF]
