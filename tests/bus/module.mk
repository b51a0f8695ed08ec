# tunneld whose associations are nearly used up, for test_tunneld_exhaustion.py: the program's own objects, and two
# functions before two of theirs.
noinst_PROGRAMS += tests/bus/tunneld-near-end
tests_bus_tunneld_near_end_SOURCES = tests/bus/tunneld-near-end.c
tests_bus_tunneld_near_end_CFLAGS = $(AM_CFLAGS)
tests_bus_tunneld_near_end_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=esp_out_new,--wrap=esp_in_new
tests_bus_tunneld_near_end_LDADD = $(services_tunneld_tunneld_OBJECTS) $(services_tunneld_tunneld_LDADD)
