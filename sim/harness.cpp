// Drives one accelerator with frames, watches every tap and the result, and writes what it saw. Compiled with Vtop.h (Verilator)
// and ports.h (sim/bulk.py writes it from interface.json: names, sizes, drive(), sample_taps(), readout_*()).
//
// usage: PROGRAM key=value ...
//   in, out        paths of the two binary files below
//   first          number of the first frame of the file, for messages
//   alone          1: a frame starts after the result of the one before (cycles); 0: back to back (intervals)
//   spikes, sums   1: record every spike with its tick / the readout's sums of every tick
//   i_stall, o_stall  how often the input pauses before a word / the output is not ready, in 1/65536
//   seed           of the stalls
//   quiet          cycles without a transfer that count as a deadlock
//   settle         idle cycles before a frame that is sent alone, and after the last result
//   wave           VCD file (only in the program built for it)
//
// in:   u64 frames, u64 words, then the words, one u64 each: address [31:0], count [56:32], profile [61:57], tick [62], end [63].
// out:  arrays one after another, little endian, B frames:
//   i32 class[B], i64 logits[B][C], i64 cycles[B] (alone) or intervals[B], i64 stalls[3] (cycles: input paused, input waited, result waited),
//   for each hidden layer i32 count[B][N], then i32 events[B][hidden layers],
//   with spikes for each hidden layer u8 bits[B][T][(N + 7) / 8] (neuron n is bit n % 8), with sums i64 sums[B][T][C].
//   Where profiles differ in T, that of the longest; behind a frame's last tick there are no spikes, and its sums stay.
//
// Exit code 0, or 3 with one line on stderr when the design breaks its contract.

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

struct Word {
    uint64_t bits;
    uint32_t address() const { return uint32_t(bits); }
    uint32_t count() const { return uint32_t(bits >> 32) & 0x1ffffff; }
    uint32_t profile() const { return uint32_t(bits >> 57) & 31; }
    bool tick() const { return bits >> 62 & 1; }
    bool end() const { return bits >> 63; }
};

struct Tap {
    const char* layer;
    bool again;  // a neuron may send several events in a tick, and take spikes back
    uint32_t size, ticks;
    uint32_t max_count;  // most spikes of one neuron in one of the ticks
    uint32_t rows, columns, row_bits, column_bits;  // of a map; an address is channel, row, column side by side

    uint32_t neuron(uint32_t address) const {  // flat number, `size` where there is no such neuron
        uint32_t column = address & ((1u << column_bits) - 1), row = address >> column_bits & ((1u << row_bits) - 1);
        uint32_t channel = address >> (column_bits + row_bits);
        return column < columns && row < rows ? std::min((channel * rows + row) * columns + column, size) : size;
    }
};

#include "ports.h"

[[noreturn]] static void fail(const char* format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(3);
}

// Bits [low +: width] of a port as a signed number; Verilator's types for ports are integers up to 64 bits and arrays of words above.
template <class T>
static int64_t field(const T& port, unsigned low, unsigned width) {
    return int64_t(uint64_t(port) >> low << (64 - width)) >> (64 - width);
}
template <std::size_t N>
static int64_t field(const VlWide<N>& port, unsigned low, unsigned width) {
    uint64_t value = 0;
    for (unsigned got = 0; got < width;) {
        unsigned at = low + got, shift = at % 32;
        value |= uint64_t(port[at / 32] >> shift) << got;
        got += 32 - shift;
    }
    return field(value, 0, width);
}
template <class T>
static void read_logits(const T& port, int64_t* to) {
    for (unsigned k = 0; k < CLASSES; k++) to[k] = field(port, k * LOGIT_BITS, LOGIT_BITS);
}

struct Random {  // xorshift64*
    uint64_t state;
    bool below(uint32_t limit) {
        if (!limit) return false;
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return (state * 0x2545f4914f6cdd1dull >> 48) < limit;
    }
};

class Options {
public:
    Options(int argc, char** argv) {
        for (int i = 1; i < argc; i++) {
            std::string arg = argv[i];
            auto cut = arg.find('=');
            if (cut != std::string::npos) values[arg.substr(0, cut)] = arg.substr(cut + 1);
        }
    }
    const char* text(const char* key) const {
        auto found = values.find(key);
        if (found == values.end()) fail("option %s= is missing", key);
        return found->second.c_str();
    }
    uint64_t number(const char* key) const { return strtoull(text(key), nullptr, 10); }

private:
    std::map<std::string, std::string> values;
};

struct Results {
    std::vector<int32_t> answer;
    std::vector<int64_t> logits, cycles, sums;  // sums: of every readout tick
    std::vector<int32_t> counts[HIDDEN + 1], events;
    std::vector<uint8_t> spikes[HIDDEN + 1];
    int64_t stalls[3] = {0, 0, 0};

    Results(uint64_t frames, bool with_spikes)
        : answer(frames), logits(frames * CLASSES), cycles(frames), sums(frames * READOUT_TICKS * CLASSES), events(frames * HIDDEN) {
        for (unsigned k = 0; k < HIDDEN; k++) {
            counts[k].resize(frames * TAPS[k].size);
            if (with_spikes) spikes[k].resize(frames * TAPS[k].ticks * row_bytes(k));
        }
    }
    static size_t row_bytes(unsigned k) { return (TAPS[k].size + 7) / 8; }

    void write(const char* path, bool with_sums) const {
        FILE* file = fopen(path, "wb");
        if (!file) fail("%s must be writable", path);
        bool good = put(file, answer) && put(file, logits) && put(file, cycles) && fwrite(stalls, sizeof stalls, 1, file) == 1;
        for (unsigned k = 0; k < HIDDEN; k++) good = good && put(file, counts[k]);
        good = good && put(file, events);
        for (unsigned k = 0; k < HIDDEN; k++) good = good && put(file, spikes[k]);
        good = good && (!with_sums || put(file, sums));
        if (fclose(file) || !good) fail("%s could not be written", path);
    }
    template <class T>
    static bool put(FILE* file, const std::vector<T>& data) {
        return fwrite(data.data(), sizeof(T), data.size(), file) == data.size();
    }
};

static std::vector<Word> read_words(const char* path, uint64_t& frames) {
    FILE* file = fopen(path, "rb");
    uint64_t head[2];
    if (!file || fread(head, sizeof head, 1, file) != 1) fail("%s must hold input words", path);
    std::vector<Word> words(head[1]);
    if (fread(words.data(), sizeof(Word), words.size(), file) != words.size()) fail("%s must hold %" PRIu64 " words", path, head[1]);
    fclose(file);
    frames = head[0];
    return words;
}

class Bench {
public:
    Bench(Vtop& dut, VerilatedContext& context, const Options& options)
        : dut(dut), context(context), words(read_words(options.text("in"), frames)),
          first(options.number("first")), quiet(options.number("quiet")), settle(options.number("settle")),
          i_stall(options.number("i_stall")), o_stall(options.number("o_stall")),
          alone(options.number("alone")), spikes(options.number("spikes")),
          profiles(profiles_of(words)),
          random{(options.number("seed") + 1) * 0x9e3779b97f4a7c15ull | 1},
          start(frames), results(frames, spikes) {
        random.below(1);
        for (unsigned k = 0; k < HIDDEN; k++) taps[k].last.assign(TAPS[k].size, 0);
#if VM_TRACE
        context.traceEverOn(true);
        dut.trace(&vcd, 99);
        vcd.open(options.text("wave"));
#endif
    }

    Results& run() {
        reset();
        while (received < frames) step();
        for (uint64_t i = 0; i < settle; i++) step();
        for (unsigned k = 0; k < HIDDEN; k++)
            if (taps[k].frame != frames) fail("tap %u (%s): %" PRIu64 " frames were closed, but %" PRIu64 " sent", k, TAPS[k].layer, taps[k].frame, frames);
#if VM_TRACE
        vcd.close();
#endif
        return results;
    }

    // One event at tap k; called by sample_taps() of ports.h.
    void event(unsigned k, uint32_t address, uint32_t count, bool negative, bool tick, bool end) {
        const Tap& tap = TAPS[k];
        TapState& s = taps[k];
        if (s.frame >= frames) fail("tap %u (%s): sends more frames than the %" PRIu64 " it was sent", k, tap.layer, frames);
        moved = true;
        if (tick || end) {
            if (tick && end) broken(k, "has tick and end in one word");
            if (end != (s.tick + 1 == ticks(s.frame, k))) broken(k, end ? "ends the frame early" : "has more ticks than the layer");
            s.tick = end ? 0 : s.tick + 1;
            s.frame += end;
            s.next = 0;
            return;
        }
        uint32_t neuron = tap.neuron(address);
        if (neuron >= tap.size) broken(k, "has an address outside the layer: %u of %u", address, tap.size);
        if (tap.again) return reaction(k, neuron, count, negative);
        if (tap.row_bits + tap.column_bits == 0 && neuron < s.next) broken(k, "has addresses out of order: %u after %u", neuron, s.next - 1);
        uint64_t now = s.frame * tap.ticks + s.tick + 1;
        if (s.last[neuron] == now) broken(k, "has neuron %u twice in a tick", neuron);
        if (count < 1 || count > tap.max_count) broken(k, "has a count outside 1..%u: %u of neuron %u", tap.max_count, count, neuron);
        s.next = neuron + 1;
        s.last[neuron] = now;
        results.counts[k][s.frame * tap.size + neuron] += count;
        results.events[s.frame * HIDDEN + k]++;
        if (spikes) results.spikes[k][(now - 1) * Results::row_bytes(k) + neuron / 8] |= 1 << neuron % 8;
    }

private:
    // An event-driven neuron's net count never leaves 0..max_count.
    void reaction(unsigned k, uint32_t neuron, uint32_t count, bool negative) {
        int32_t& net = results.counts[k][taps[k].frame * TAPS[k].size + neuron];
        net += negative ? -int32_t(count) : int32_t(count);
        if (count < 1 || net < 0 || net > int32_t(TAPS[k].max_count)) broken(k, "takes neuron %u to %d, outside 0..%u", neuron, net, TAPS[k].max_count);
        results.events[taps[k].frame * HIDDEN + k] += count;
    }

    struct TapState {
        uint64_t frame = 0;
        uint32_t tick = 0, next = 0;  // next: lowest neuron that may follow where there are no maps
        std::vector<uint64_t> last;   // of each neuron, the tick of its last spike, counted over all frames from 1
    };

    Vtop& dut;
    VerilatedContext& context;
    uint64_t frames = 0;
    std::vector<Word> words;
    const uint64_t first, quiet, settle;
    const uint32_t i_stall, o_stall;
    const bool alone, spikes;
    const std::vector<uint32_t> profiles;  // number of each frame's
    Random random;
    std::vector<uint64_t> start;
    Results results;
    TapState taps[HIDDEN + 1];
    uint64_t cycle = 0, last_move = 0, last_seen = 0, idle_until = 0;
    uint64_t word = 0, sent = 0, received = 0, summed = 0;  // words, frames, results, frames at the readout's tap so far
    uint32_t sum_tick = 0;  // of the frame at the readout's tap
    bool offered = false, inside = false, seen = false, moved = false;
    int64_t held[CLASSES];
    uint64_t held_class = 0;
#if VM_TRACE
    VerilatedVcdC vcd;
#endif

    template <class... Args>
    [[noreturn]] void broken(unsigned k, const char* format, Args... args) {
        char what[160];
        snprintf(what, sizeof what, format, args...);
        fail("frame %" PRIu64 ", tap %u (%s), tick %u: %s (cycle %" PRIu64 ")", first + taps[k].frame, k, TAPS[k].layer, taps[k].tick, what, cycle);
    }

    void edge(bool level) {
        dut.clk = level;
        dut.eval();
        context.timeInc(5);
#if VM_TRACE
        vcd.dump(context.time());
#endif
    }

    void reset() {
        dut.rst = 1;
        dut.i_valid = dut.o_ready = 0;
        for (int i = 0; i < 4; i++) edge(false), edge(true);
        dut.rst = 0;
    }

    // A cycle: inputs change while the clock is low, every port is read once it has settled, then the clock rises.
    void step() {
        offer();
        dut.o_ready = !random.below(o_stall);
        edge(false);
        if (dut.error) fail("frame %" PRIu64 ": the error port is high: an event broke the input's contract (cycle %" PRIu64 ")", first + (taken() ? taken() - 1 : 0), cycle);
        moved = false;
        accept();
        sample_taps(dut, *this);
        if (readout_valid(dut)) readout();
        result();
        if (moved) last_move = cycle;
        if (received < frames && cycle - last_move > quiet) deadlock();
        edge(true);
        cycle++;
    }

    uint32_t ticks(uint64_t frame, unsigned tap) const { return TICKS[profiles[frame]][tap]; }

    static std::vector<uint32_t> profiles_of(const std::vector<Word>& words) {
        std::vector<uint32_t> found;
        for (const Word& word : words)
            if (word.end()) found.push_back(word.profile());
        return found;
    }

    uint64_t taken() const { return sent + inside; }  // frames whose first word went in

    void offer() {
        bool wait = word == words.size() || (alone && !inside && (received < sent || cycle < idle_until));
        if (!offered && !wait) {
            offered = !random.below(i_stall);
            results.stalls[0] += !offered;
        }
        if (offered) drive(dut, words[word]);
        dut.i_valid = offered;
    }

    void accept() {
        if (!offered) return;
        if (!dut.i_ready) {
            results.stalls[1]++;
            return;
        }
        if (!inside) start[sent] = cycle;
        inside = !words[word].end();
        sent += !inside;
        word++;
        offered = false;
        moved = true;
    }

    void readout() {
        moved = true;
        if (summed == frames) fail("the readout's tap moves after the last of %" PRIu64 " frames", frames);
        int64_t* sums = &results.sums[(summed * READOUT_TICKS + sum_tick) * CLASSES];
        read_logits(readout_logits(dut), sums);
        if (++sum_tick < ticks(summed, HIDDEN)) return;
        for (; sum_tick < READOUT_TICKS; sum_tick++, sums += CLASSES) std::copy(sums, sums + CLASSES, sums + CLASSES);
        summed++;
        sum_tick = 0;
    }

    void result() {
        if (!dut.o_valid) {
            if (seen) fail("frame %" PRIu64 ": o_valid was withdrawn before o_ready came (cycle %" PRIu64 ")", first + received, cycle);
            return;
        }
        if (received == sent) fail("frame %" PRIu64 ": a result came before the frame's last word (cycle %" PRIu64 ")", first + received, cycle);
        int64_t logits[CLASSES];
        read_logits(dut.o_logits, logits);
        if (!seen) arrive(logits);
        for (unsigned k = 0; k < CLASSES; k++)
            if (logits[k] != held[k] || result_class(dut) != held_class)
                fail("frame %" PRIu64 ": the result changed while o_valid waited for o_ready (cycle %" PRIu64 ")", first + received, cycle);
        if (!dut.o_ready) {
            results.stalls[2]++;
            return;
        }
        for (unsigned k = 0; k < CLASSES; k++) results.logits[received * CLASSES + k] = logits[k];
        results.answer[received++] = int32_t(held_class);
        seen = false;
        moved = true;
        idle_until = cycle + settle;
    }

    // The first cycle in which this frame's result is seen.
    void arrive(const int64_t* logits) {
        if (summed <= received)
            fail("frame %" PRIu64 ": the result came after %u readout ticks of %u (cycle %" PRIu64 ")", first + received, sum_tick, ticks(received, HIDDEN), cycle);
        const int64_t* last = &results.sums[((received + 1) * READOUT_TICKS - 1) * CLASSES];
        for (unsigned k = 0; k < CLASSES; k++) {
            if (logits[k] != last[k]) fail("frame %" PRIu64 ": logit %u is %" PRId64 ", but the readout's last sum was %" PRId64 " (cycle %" PRIu64 ")", first + received, k, logits[k], last[k], cycle);
            held[k] = logits[k];
        }
        held_class = result_class(dut);
        results.cycles[received] = alone ? cycle - start[received] : received ? cycle - last_seen : 0;
        last_seen = cycle;
        seen = true;
    }

    [[noreturn]] void deadlock() {
        fprintf(stderr, "frame %" PRIu64 ": nothing moved for %" PRIu64 " cycles: input %s, %" PRIu64 " frames sent, %" PRIu64 " results received",
                first + received, quiet, offered ? (dut.i_ready ? "moving" : "held by i_ready = 0") : "idle", sent, received);
        for (unsigned k = 0; k < HIDDEN; k++) fprintf(stderr, "; tap %u (%s) in frame %" PRIu64 ", tick %u", k, TAPS[k].layer, first + taps[k].frame, taps[k].tick);
        fail("; readout in frame %" PRIu64 ", tick %u (cycle %" PRIu64 ")", first + summed, sum_tick, cycle);
    }
};

int main(int argc, char** argv) {
    Options options(argc, argv);
    VerilatedContext context;
    context.commandArgs(argc, argv);
    Vtop dut{&context};
    Bench bench(dut, context, options);
    bench.run().write(options.text("out"), options.number("sums"));
    dut.final();
}
