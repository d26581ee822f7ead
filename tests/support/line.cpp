// An endpoint between two files: symbols of the line in (stdin), bytes out (stdout). Compiled with Vtop.h (Verilator).
//
// usage: PROGRAM BIT QUIET      clocks of a bit; clocks without a byte after which it ends
// A symbol has 16 bits, little-endian: 0..255 a byte, 256 + byte one whose stop bit is missing, 32768 + n: n bits of silence.
// Ends with code 3 when the endpoint sends what is no byte; the last byte written is the pin `error`.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "Vtop.h"
#include "verilated.h"

int main(int argc, char** argv) {
    VerilatedContext context;
    Vtop dut{&context};
    const uint64_t bit = strtoull(argv[1], nullptr, 10), quiet = strtoull(argv[2], nullptr, 10);
    uint64_t left = 0, idle = 0, heard = 0;
    uint32_t levels = 1, byte = 0;
    bool busy = false, more = true;
    for (uint64_t clock = 0; more || idle < quiet; clock++) {
        if (more && left == 0 && clock > 8) {
            int low = getchar(), high = getchar();
            more = high != EOF;
            uint32_t symbol = uint32_t(low & 255) | uint32_t(high & 255) << 8;
            bool silence = symbol & 0x8000;
            levels = !more || silence ? ~0u : symbol & 256 ? (symbol & 255) << 1 : (symbol & 255) << 1 | ~0u << 9;
            left = !more ? 0 : bit * (silence ? symbol & 0x7fff : 10);
            idle = 0;
        }
        if (left) left--;
        dut.rst = clock < 4;
        dut.rx = left ? levels & 1 : 1;
        dut.clk = 0;
        dut.eval();
        dut.clk = 1;
        dut.eval();
        if (left && left % bit == 0) levels = levels >> 1 | 1u << 31;
        idle++;
        if (!busy && !dut.tx) {
            busy = true;
            heard = 0;
            byte = 0;
        }
        if (!busy) continue;
        uint64_t at = heard / bit;
        if (heard++ % bit == bit / 2) {
            if ((at == 0 && dut.tx) || (at == 9 && !dut.tx)) return 3;
            if (at > 0 && at < 9) byte |= uint32_t(dut.tx) << (at - 1);
            if (at == 9) {
                putchar(int(byte));
                busy = false;
                idle = 0;
            }
        }
    }
    putchar(dut.error);
    return 0;
}
