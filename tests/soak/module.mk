# What `./run soak tunnel` makes its network rough with, and what looks at it.
noinst_PROGRAMS += tests/soak/rough-road tests/soak/witness
tests_soak_rough_road_SOURCES = tests/soak/rough-road.c
tests_soak_rough_road_CFLAGS = $(AM_CFLAGS)
tests_soak_witness_SOURCES = tests/soak/witness.c
tests_soak_witness_CFLAGS = $(AM_CFLAGS)
