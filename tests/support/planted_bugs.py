"""Bugs to be planted: each a small change of one text that stands once in one file, and the tests that are to catch it."""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """what: the bug in words; file: where; old, new: the text and what takes its place; tests: files of tests/, tried in order."""

    what: str
    file: str
    old: str
    new: str
    tests: str


BUGS = [
    # time
    Bug("the aligner counts two ticks for one", "hw/stream/aligner.py", "0, tick + 1))", "0, tick + 2))", "aligner"),
    Bug("a step ends a source tick late", "sw/plan/steps.py", "tuple(tick + 1 in edges", "tuple(tick in edges", "plan accelerator"),
    Bug("a held tick takes the next step's current", "hw/neuron/membrane.py", "Mux(op.held, memory.o, sums.as_value())", "sums.as_value()", "membrane"),
    Bug("a sum begins with the bias phase of its own sweep", "hw/dense/charge.py", "early.following", "early.table", "charge"),
    Bug("behind the last group comes this tick's bias phase, not the next one's", "hw/dense/sequencer.py", "op.following.eq(Mux(now.last_group, ticks.following,", "op.following.eq(Mux(now.last_group, ticks.table,", "sequencer"),
    Bug("words cleared after a reset begin with a later tick's bias", "hw/conv/sequencer.py", "Mux(clear, 0, ticks.following)", "ticks.following", "convolution"),
    Bug("a convolution's sum begins with the bias phase of its own sweep", "hw/conv/charge.py", "ops[meet - 1].following)", "ops[meet - 1].table)", "conv_charge"),
    # neurons
    Bug("a two_phase neuron fires above its threshold only", "hw/neurons.py", 'finished["values"][k] >= 0', 'finished["values"][k] > 0', "accelerator"),
    Bug("a time_stepped neuron fires above its threshold only", "hw/neuron/membrane.py", "fire.eq(above >= 0)", "fire.eq(above > 0)", "membrane"),
    Bug("the leak shifts without the sign", "hw/neuron/membrane.py", "(v >> neuron.leak_shift)", "(v.as_unsigned() >> neuron.leak_shift)", "membrane"),
    Bug("potentials stay from frame to frame", "hw/neuron/membrane.py", "opening.eq(op.closing)", "opening.eq(0)", "membrane"),
    Bug("a new frame's group finds the row of the group before", "hw/neuron/membrane.py", "Mux(row == rows - 1, 0, row + 1)", "row", "membrane"),
    Bug("the count saturates one early", "hw/neuron/counter.py", "last.quotient >= self._T - 1", "last.quotient >= self._T - 2", "counter"),
    Bug("a spike less than the count says", "hw/stream/unary.py", "sent == word.count - 1", "sent + 2 >= word.count", "unary"),
    Bug("a count in unary goes on where the one before ended", "hw/stream/unary.py", "Mux(last, 0, sent + 1)", "sent + 1", "unary"),
    Bug("room for one spike of each neuron only, where each may send several", "sw/plan/network.py", "merged * word.each", "merged", "unary"),
    Bug("a tick carries a count", "hw/neuron/counter.py", "Mux(event.tick | event.end, 0, count)", "Mux(event.tick, 0, count)", "counter"),
    Bug("a waiting event gets the next one's threshold", "hw/neuron/counter.py", "Mux(move, self.i.payload.address, first.pick.address)", "self.i.payload.address", "counter"),
    # sums
    Bug("weights of a convolution lose their sign", "hw/conv/charge.py", "word.word_select(k, bits).as_signed()", "word.word_select(k, bits)", "conv_charge"),
    Bug("operations that ask for nothing add their weights", "hw/dense/charge.py", "with m.If(~fetched.integrate):", "with m.If(fetched.sweep):", "charge"),
    Bug("the high bits of a count weigh as much as the low ones", "hw/lib/times.py", "_shift_add(weight, part).shift_left(low)", "_shift_add(weight, part)", "charge"),
    Bug("no forwarding from the operation before", "hw/lib/state.py", "Mux(fresh[0], recent[0],", "Mux(0, recent[0],", "conv_charge"),
    Bug("no forwarding from two operations before", "hw/lib/state.py", "Mux(fresh[1], recent[1],", "Mux(0, recent[1],", "conv_charge"),
    Bug("no forwarding from three operations before", "hw/lib/state.py", "Mux(fresh[2], recent[2], stored)", "stored", "conv_charge"),
    Bug("an older result wins over a newer one", "hw/lib/state.py", "Mux(fresh[0], recent[0], Mux(fresh[1], recent[1], Mux(fresh[2], recent[2], stored)))", "Mux(fresh[2], recent[2], Mux(fresh[1], recent[1], Mux(fresh[0], recent[0], stored)))", "conv_charge"),
    Bug("a bank that the event does not reach is written", "hw/conv/charge.py", "early.enabled[bank] & (early.integrate", "(early.integrate", "conv_charge"),
    Bug("state is read a cycle late", "hw/lib/state.py", "read.addr.eq(self.address)", "read.addr.eq(address[1])", "conv_charge"),
    Bug("a result is written over the word of the operation before", "hw/lib/state.py", "write.addr.eq(address[written])", "write.addr.eq(address[written + 1])", "conv_charge"),
    Bug("what an operation that changes nothing leaves is forwarded", "hw/lib/state.py", "(address[1] == address[1 + k]) & writes[1 + k]", "(address[1] == address[1 + k])", "conv_charge"),
    # places of a convolution
    Bug("banks in the wrong order", "sw/plan/conv.py", "(phase // stride - bank) % banks", "(phase // stride + bank) % banks", "plan_conv"),
    Bug("padding left out of a phase", "sw/plan/conv.py", "(at + padding) % (stride * banks)", "at % (stride * banks)", "plan_conv"),
    Bug("the last word's banks miscounted", "sw/plan/conv.py", "self.out - (self.words - 1) * self.banks", "self.out - self.words * self.banks", "plan_conv"),
    Bug("a place that fills no block is kept", "sw/plan/conv.py", "covered if at < pooled else []", "covered if at <= pooled else []", "plan_conv"),
    Bug("a place outside every block passes", "hw/stream/pool.py", "& (row <", "| (row <", "pool"),
    Bug("words of a map walked through by rows where columns are meant", "sw/plan/layout.py", "(columns, banks[1]),", "(rows, banks[1]),", "addresses"),
    Bug("an event beside the map is not dropped", "hw/conv/locate.py", "(y.enabled.any() & x.enabled.any())", "(y.enabled.any() | x.enabled.any())", "locate"),
    Bug("the frame's end is lost", "hw/conv/locate.py", "found.end.eq(word.end)", "found.end.eq(word.tick)", "locate"),
    Bug("a located event is taken where no place waits for it", "hw/conv/locate.py", "self.i.ready.eq(queue.i.ready)", "self.i.ready.eq(queue.i.ready | self.o.ready)", "locate"),
    Bug("the next visit goes back by one weight, not by a stride", "hw/conv/visits.py", "weights + side.weight_step * stride", "weights + side.weight_step", "convolution"),
    Bug("the right edge is masked where the bottom one is meant", "hw/conv/sequencer.py", "op.bottom.eq(bottom)", "op.bottom.eq(right)", "convolution"),
    Bug("a bank too few masked at the right edge", "hw/conv/charge.py", "op.right if x >= columns.edge", "op.right if x > columns.edge", "convolution"),
    # waiting
    Bug("a convolution's last sweep takes no place", "hw/conv/sequencer.py", "credits.take.eq(sweep)", "credits.take.eq(sweep & ~last_group)", "convolution"),
    Bug("a dense layer's place is given twice", "hw/dense/sequencer.py", "credits.take.eq(sweep & needs)", "credits.take.eq(sweep & needs & ~self.returned)", "sequencer"),
    Bug("the last place is given twice", "hw/lib/ticks.py", "self.free.eq(count != 1)", "self.free.eq(count != 0)", "sequencer"),
    Bug("a replay starts in the middle of its rows", "hw/dense/sequencer.py", "base.eq(Mux(last_group, 0, base +", "base.eq(Mux(last_group, 1, base +", "sequencer"),
    Bug("a replay reads a word too many", "hw/dense/replay.py", "after == stored", "index == stored", "memories"),
    Bug("a queue lets a word overtake", "hw/stream/queue.py", "(is_kept | ~leaves)", "~leaves", "memories"),
    Bug("a queue has room for a word too many", "hw/lib/store.py", "level != depth - 1", "level != depth", "memories"),
    Bug("a word that comes where none waits is read a cycle early", "hw/lib/store.py", "Mux(fresh, word, read.data)", "read.data", "memories"),
    Bug("a queue gives a word that is gone", "hw/lib/store.py", "self.some.eq(level != 1)", "self.some.eq(level != 0)", "memories"),
    Bug("a block leaves the sender while its last word waits", "hw/output/sender.py", "leaves.eq(self.o.ready & Mux(", "leaves.eq(Mux(", "serializer"),
    Bug("a spike is dropped while it waits", "hw/output/sender.py", "with m.Elif(self.o.ready):", "with m.Elif(busy):", "serializer"),
    Bug("a place is given back while its word waits", "hw/output/serializer.py", "sender.i.valid & sender.i.ready & sender.i.payload.final", "sender.i.valid & sender.i.payload.final", "serializer"),
    Bug("a word leaves with a block to go", "hw/output/chooser.py", "two_left.eq(~more_than(todo, 2))", "two_left.eq(1)", "serializer"),
    Bug("values come from the word before", "hw/output/values.py", "upcoming.eq(Mux(self.take, ", "upcoming.eq(Mux(0, ", "values"),
    Bug("stored values are called readable a cycle early", "hw/output/values.py", "~(self.take | taken)", "~self.take", "serializer"),
    Bug("neurons that spike do not wait for their stored values", "hw/output/serializer.py", "values.readable | ~between.o.payload.any", "values.readable | between.o.payload.any", "serializer"),
    Bug("stored words do not wrap round", "hw/output/values.py", "Mux(newest == self._words - 1, 0, newest + 1)", "newest + 1", "values"),
    # door and answer
    Bug("the door passes an address twice", "hw/stream/input_checker.py", "~below(before, word.address)", "below(word.address, before)", "input_checker"),
    Bug("a tie goes to the higher class", "hw/output/winner.py", "(value - later)[-1]", "(value - later - 1)[-1]", "readout"),
    Bug("the answer's last group is that of the frame before", "hw/output/readout.py", "running[n] if n < before else word.sums[n - before]", "running[n]", "readout"),
    Bug("a tie goes to the later group", "hw/output/readout.py", "(best - winner.best)[-1]", "(best - winner.best - 1)[-1]", "readout"),
    Bug("a lane without a class can win", "hw/output/winner.py", "~self.partial if k >= self._used", "~self.partial if k > self._used", "readout"),
    # event-driven
    Bug("a signed neuron fires above its threshold only", "hw/event_driven/neuron.py", "(upper >= 0)", "(upper > 0)", "event_ties"),
    Bug("a signed neuron passes its saturation level", "hw/event_driven/neuron.py", "(upper >= 0) & (S != T)", "(upper >= 0)", "event_driven"),
    Bug("an unsigned neuron fires above its threshold only", "hw/event_driven/neuron.py", "(above[k] >= 0)", "(above[k] > 0)", "event_ties"),
    Bug("a signed neuron takes back what it never sent", "hw/event_driven/neuron.py", "(stay < 0) & (S != 0)", "(stay < 0)", "event_driven"),
    Bug("an unsigned neuron saturates one early", "hw/event_driven/neuron.py", "(T - k >= S)", "(T - k > S)", "event_driven"),
    Bug("a negative event adds", "hw/event_driven/neuron.py", "Mux(before.negative, -term, term)", "term", "event_driven"),
    Bug("a visit finds the word of the visit before", "hw/event_driven/neuron.py", "state.address.eq(early.address[bank])", "state.address.eq(ops[meet - 1].address[bank])", "event_driven"),
    Bug("a frame closes before its neurons rest", "hw/event_driven/sequencer.py", "with m.If(restless):", "with m.If(0):", "event_driven"),
    # the link
    Bug("a bit of the line is looked at near its beginning", "boards/link/uart.py", "timer.eq(self._divisor // 2 - 1)", "timer.eq(1)", "line"),
    Bug("a missing stop bit is not seen", "boards/link/uart.py", "self.broken.eq(~line), busy.eq(0)", "self.broken.eq(0), busy.eq(0)", "line"),
    Bug("a short pulse is a start bit", "boards/link/uart.py", "busy.eq(begun | ~line)", "busy.eq(1)", "line"),
    Bug("a run that is cut short passes", "boards/link/cobs.py", "self.whole.eq(done)", "self.whole.eq(1)", "line"),
    Bug("the zero between two runs is lost", "boards/link/cobs.py", "self.put & ~zero & (begun | ~done)", "self.put & ~zero & ~done", "unpack"),
    Bug("the receiver does not look at the CRC", "boards/link/receiver.py", "~fits, ~whole, ~right)", "~fits, ~whole, right & 0)", "line"),
    Bug("a body of any length fits", "boards/link/receiver.py", "fits.eq((size > CRC_BYTES) & (size <= BODY_BYTES))", "fits.eq(size > CRC_BYTES)", "line"),
    Bug("a byte is written where none was read yet", "boards/link/receiver.py", "room.eq(place != ring.taken)", "room.eq(1)", "line"),
    Bug("a dropped packet's place is not used again", "boards/link/receiver.py", "m.d.sync += place.eq(start)", "m.d.sync += start.eq(place)", "line"),
    Bug("the CRC goes out low byte first", "boards/link/sender.py", "with m.If(tail == 0):", "with m.If(tail == 1):", "line"),
    Bug("the sender's ring is written when it is full", "boards/link/sender.py", "room.eq(~used[3:].all())", "room.eq(1)", "line"),
    Bug("a time step does not begin with a byte of its own", "boards/link/unpack.py", "with m.If(last):", "with m.If(last & (left == 1)):", "unpack"),
    Bug("a count that does not fit is cut", "boards/link/unpack.py", "Mux(count[field:].any(), 0, count[:field])", "count[:field]", "unpack"),
    Bug("a word behind the end is no fault", "boards/link/framer.py", "with m.If(self.ended):\n                m.d.sync += self.wrong.eq(1)", "with m.If(self.ended):\n                m.d.sync += self.wrong.eq(self.wrong)", "unpack"),
    Bug("an abandoned frame's ticks are not put in", "boards/link/framer.py", "out.tick.eq(~final), out.end.eq(final)", "out.tick.eq(0), out.end.eq(1)", "unpack"),
    Bug("the answer of an abandoned frame is sent", "boards/link/dispatcher.py", "self.tags.payload.abandoned.eq(self._refuses)", "self.tags.payload.abandoned.eq(0)", "link_faults"),
    Bug("a frame that lacks its end is answered", "boards/link/dispatcher.py", "self.part | (final & ~self.ended)", "self.part", "link_faults"),
    Bug("the low byte of a counter wraps unseen", "boards/link/ledger.py", "wraps = wide & kept[7] & ~low[7]", "wraps = wide & 0", "ledger"),
    Bug("a register that changes while it is read is not read again", "boards/link/ledger.py", "waits.eq(torn)", "waits.eq(0)", "ledger"),
    Bug("a counter begins with what the memory held", "boards/link/ledger.py", "with m.If(fresh):", "with m.If(fresh & 0):", "ledger"),
    Bug("a register of the link is found at every address with its low bits", "boards/link/ledger.py", "none.eq(outside)", "none.eq(0)", "ledger"),
    # registers
    Bug("a register that cannot be written is", "hw/bus/bank.py", "none | (port.write & fixed)", "none", "bus"),
    Bug("a register is found at every address with its low bits", "hw/bus/bank.py", "port.address[:2].any() | port.address[2 + bits :].any()", "port.address[:2].any()", "bus"),
    Bug("a frame's cycles begin with the answer before, however long ago", "hw/bus/counted.py", "alone = begins & (flying[1:] == 0) & (waits | ~flying[0])", "alone = begins & 0", "bus"),
    Bug("frames in flight forget one that goes when another comes", "hw/bus/counted.py", "with m.If(comes & ~goes):", "with m.If(comes):", "bus"),
    # AXI
    Bug("a beat on its way out changes while it waits", "hw/bus/axi_stream.py", "free.eq(~self.o.valid | self.o.ready)", "free.eq(1)", "axi"),
    Bug("TLAST stands on the last beat but one", "hw/bus/axi_stream.py", "last.eq(index == self._classes)", "last.eq(index == self._classes - 1)", "axi"),
    Bug("an AXI answer is withdrawn before it is taken", "hw/bus/axi_lite.py", 'with m.Elif(getattr(self, f"{channel}ready")):', "with m.Else():", "axi"),
    Bug("a refused transfer says OKAY", "hw/bus/axi_lite.py", "Mux(partial | self.port.refused, SLVERR, OKAY)", "Mux(partial, SLVERR, OKAY)", "axi"),
    Bug("a write of some bytes is carried out", "hw/bus/axi_lite.py", "self.port.ask.eq(begun & ~partial)", "self.port.ask.eq(begun)", "axi"),
    Bug("a write is answered before its data have come", "hw/bus/axi_lite.py", "aw.full & w.full & ~self.bvalid", "aw.full & ~self.bvalid", "axi"),
    # several profiles
    Bug("a replay is under the profile of the word that waits", "hw/dense/sequencer.py", "return Mux(live, word.profile, last)", "return word.profile", "profiles"),
    Bug("the aligner knows the first profile alone", "hw/stream/aligner.py", "self.i.payload.profile if len(self._keep) > 1 else", "Const(0, len(self.i.payload.profile)) if len(self._keep) > 1 else", "profiles"),
    Bug("a frame has the profile of each of its words", "hw/stream/input_checker.py", "Mux(~between, frames,", "Mux(between & ~between, frames,", "input_checker"),
    Bug("thresholds are those of the first profile", "hw/neuron/membrane.py", "return (first + row)[: len(first)]", "return row", "profiles"),
    Bug("events forget their frame's profile", "hw/output/sender.py", "pick.profile.eq(block.profile)", "pick.profile.eq(0)", "profiles"),
    Bug("a frame begins without its start potential", "sw/plan/constants.py", "        by_tick[0] += ", "        by_tick[0] += 0 * ", "plan_profiles profiles"),
    Bug("the start potential does not leak", "sw/plan/constants.py", "layer.v0 - (0 if layer.leak_shift is None else layer.v0 >> layer.leak_shift)", "layer.v0", "plan_profiles profiles"),
    Bug("a step is held as long as in the first profile", "hw/lib/ticks.py", "constant_in(profile, step, self._further", "constant_in(Const(0, len(profile)), step, self._further", "profiles"),
    # testbenches beside an export
    Bug("a testbench compares no spikes", "sim/testbench/checks.py", "if (seen{k}[n] !== count) begin", "if (0) begin", "testbench"),
    Bug("a testbench takes the sum of a layer on to the next frame", "sim/testbench/checks.py", "                    seen{k}[n] = 0;\n", "", "testbench"),
    Bug("a testbench passes whatever the line says", "sim/testbench/makefile.py", "grep -q '^PASS' $(BUILT)/icarus.log", "grep -q . $(BUILT)/icarus.log", "testbench"),
]  # fmt: skip
