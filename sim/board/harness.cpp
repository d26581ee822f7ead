// One board top, clocked for as long as somebody has the terminal open: bytes that are written into the terminal go bit by bit
// into pin rx, and what pin tx sends comes out of the terminal. Compiled with Vtop.h (Verilator).
//
// usage: PROGRAM key=value ...
//   terminal   descriptor of the pseudo-terminal's master, opened by the caller
//   bit        clocks of a bit, 2 or more
//   quiet      clocks without any byte after which time stands still until the next one comes: nothing can be going on any more
//   wave       VCD file (only in the program built for it)
//
// Ends with code 0 when the last one who had the terminal open has closed it, and prints one line of JSON: `cycles` simulated,
// bytes `received` by the board and `sent` by it, the cycles in which the `first` byte began and the `last` one was over.
// Code 3 with one line on stderr: the board sent what is no UART byte.

#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

static uint64_t option(int argc, char** argv, const char* key) {
    size_t length = strlen(key);
    for (int i = 1; i < argc; i++)
        if (!strncmp(argv[i], key, length) && argv[i][length] == '=') return strtoull(argv[i] + length + 1, nullptr, 10);
    fprintf(stderr, "option %s= is missing\n", key);
    exit(2);
}

// The master's side of the terminal. It is gone for good when nobody has the other side open.
class Terminal {
public:
    bool open = true;

    explicit Terminal(int descriptor) : descriptor(descriptor) { fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK); }

    void read(std::deque<uint8_t>& to) {
        uint8_t part[4096];
        ssize_t got = ::read(descriptor, part, sizeof part);
        if (got > 0) to.insert(to.end(), part, part + got);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) open = false;
    }
    void write(uint8_t byte) {
        while (open && ::write(descriptor, &byte, 1) != 1) {
            if (errno == EAGAIN) wait(POLLOUT);
            else if (errno != EINTR) open = false;
        }
    }
    // Sleep until bytes can be moved, or the other side is closed.
    void wait(short what) {
        pollfd one{descriptor, what, 0};
        if (poll(&one, 1, -1) > 0 && !(one.revents & what) && (one.revents & (POLLHUP | POLLERR))) open = false;
    }

private:
    int descriptor;
};

// Host to board: one frame of start bit, eight data bits and stop bit after the other, without a gap where there are bytes.
class Sender {
public:
    explicit Sender(uint64_t clocks) : clocks(clocks) {}
    bool idle() const { return !left; }
    void start(uint8_t byte) {
        frame = uint32_t(byte) << 1 | 1u << 9;
        left = 10 * clocks;
    }
    bool next() {  // the pin in this clock
        if (!left) return true;
        bool level = frame >> ((10 * clocks - left) / clocks) & 1;
        left--;
        return level;
    }

private:
    uint64_t clocks, left = 0;
    uint32_t frame = 0;
};

// Board to host: looks at the middle of each bit, counted from the falling edge of the start bit.
class Listener {
public:
    uint8_t byte = 0;
    explicit Listener(uint64_t clocks) : clocks(clocks) {}
    bool idle() const { return !busy; }
    bool broken() const { return wrong; }
    bool next(bool level) {  // whether a byte is whole in this clock
        if (!busy) {
            if (level) return false;
            busy = true;
            clock = bits = 0;
        }
        if (clock++ != clocks / 2 + bits * clocks) return false;
        if ((bits == 0 && level) || (bits == 9 && !level)) wrong = true;
        if (bits > 0 && bits < 9) byte = uint8_t(byte >> 1 | level << 7);
        busy = bits++ < 9;
        return !busy;
    }

private:
    uint64_t clocks, clock = 0, bits = 0;
    bool busy = false, wrong = false;
};

int main(int argc, char** argv) {
    VerilatedContext context;
    context.commandArgs(argc, argv);
    Vtop dut{&context};
    Terminal terminal(int(option(argc, argv, "terminal")));
    const uint64_t bit = option(argc, argv, "bit"), quiet = option(argc, argv, "quiet");
    Sender sender(bit);
    Listener listener(bit);
    std::deque<uint8_t> waiting;
    uint64_t cycle = 0, moved = 0, first = 0, last = 0, received = 0, sent = 0;
#if VM_TRACE
    VerilatedVcdC vcd;
    context.traceEverOn(true);
    dut.trace(&vcd, 99);
    for (int i = 1; i < argc; i++)
        if (!strncmp(argv[i], "wave=", 5)) vcd.open(argv[i] + 5);
#endif
    auto step = [&](bool rst) {
        dut.rst = rst;
        dut.rx = sender.next();
        dut.clk = 0;
        dut.eval();
#if VM_TRACE
        vcd.dump(2 * cycle);
#endif
        dut.clk = 1;
        dut.eval();
#if VM_TRACE
        vcd.dump(2 * cycle + 1);
#endif
        cycle++;
    };
    for (int i = 0; i < 8; i++) step(true);
    while (terminal.open) {
        if (sender.idle() && waiting.empty() && cycle % 16 == 0) terminal.read(waiting);
        if (sender.idle() && !waiting.empty()) {
            sender.start(waiting.front());
            waiting.pop_front();
            if (!received++) first = cycle;
            moved = cycle;
        }
        step(false);
        bool whole = listener.next(dut.tx);
        if (listener.broken()) {
            fprintf(stderr, "pin tx must send whole UART bytes of %" PRIu64 " clocks a bit, but start or stop bit was wrong (byte %" PRIu64 ", cycle %" PRIu64 ")\n", bit, sent, cycle);
            return 3;
        }
        if (whole) {
            terminal.write(listener.byte);
            sent++;
            moved = last = cycle;
        }
        if (sender.idle() && listener.idle() && waiting.empty() && cycle - moved > quiet) {
            terminal.wait(POLLIN);
            moved = cycle;
        }
    }
#if VM_TRACE
    vcd.close();
#endif
    dut.final();
    printf("{\"cycles\": %" PRIu64 ", \"received\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"first\": %" PRIu64 ", \"last\": %" PRIu64 "}\n", cycle, received, sent, first, last);
}
