# Without an engine a fuzz target replays the files and folders it is given, so that `./run check`
# runs every corpus. With --enable-fuzzing-engine (and CC=clang) it fuzzes.
# A target adds itself:  FUZZ_TARGETS += tests/fuzz/fuzz-x
#                        tests_fuzz_fuzz_x_SOURCES = tests/fuzz/fuzz-x.c $(FUZZ_MAIN)
#                        tests_fuzz_fuzz_x_LDFLAGS = $(AM_LDFLAGS) $(FUZZING_ENGINE)
if FUZZING_ENGINE
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/replay.c
endif
EXTRA_DIST += tests/fuzz/replay.c
