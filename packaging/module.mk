dist_dbuspolicy_DATA = packaging/bus/org.homeward.conf
dist_sysusers_DATA = packaging/sysusers/homeward.conf
dist_polkitactions_DATA = packaging/polkit/org.homeward.policy
dist_polkitrules_DATA = packaging/polkit/50-homeward.rules
dist_firewalldzone_DATA = packaging/firewalld/zones/homeward.xml
dist_firewalldservice_DATA = packaging/firewalld/services/homeward.xml
dist_networkmanager_DATA = packaging/NetworkManager/homeward.conf
dist_networkd_DATA = packaging/networkd/05-homeward.network
dist_tmpfiles_DATA = packaging/tmpfiles/homeward.conf
dist_doc_DATA = README.md NEWS LICENSE docs/ARCHITECTURE.md docs/HACKING.md services/FLOW.md

UNITS = \
	packaging/units/homeward-identity.service \
	packaging/units/homeward-identity-key.service \
	packaging/units/homeward-key.service \
	packaging/units/homeward-mapper.service \
	packaging/units/homeward-registrar.service \
	packaging/units/homeward-tunnel.service \
	packaging/units/homeward-watcher.service \
	packaging/units/homeward-zone.service
systemdunit_DATA = $(UNITS)
dist_pkglibexec_SCRIPTS = packaging/units/make-store-key
CLEANFILES += $(UNITS)
EXTRA_DIST += $(UNITS:=.in)

$(UNITS): %.service: %.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) \
		-e 's|@pkglibexecdir[@]|$(pkglibexecdir)|g' -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@docdir[@]|$(docdir)|g' $(top_srcdir)/$@.in > $@

examplesdir = $(docdir)/examples
dist_examples_DATA = packaging/examples/homeward-tunnel-kernel.conf packaging/examples/keyd.conf packaging/examples/llq-watcher.conf packaging/examples/mapper.conf packaging/examples/registrar.conf \
	packaging/examples/tunneld.conf packaging/examples/zoned.conf
