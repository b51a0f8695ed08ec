dist_dbusinterface_DATA = \
	bus-interfaces/org.homeward.Identity1.xml \
	bus-interfaces/org.homeward.Key1.xml \
	bus-interfaces/org.homeward.Key1.ChildSa.xml \
	bus-interfaces/org.homeward.Key1.IkeSa.xml \
	bus-interfaces/org.homeward.Mapper1.xml \
	bus-interfaces/org.homeward.Mapper1.Mapping.xml \
	bus-interfaces/org.homeward.Registrar1.xml \
	bus-interfaces/org.homeward.Registrar1.Service.xml \
	bus-interfaces/org.homeward.Tunnel1.xml \
	bus-interfaces/org.homeward.Tunnel1.Peer.xml \
	bus-interfaces/org.homeward.Watcher1.xml \
	bus-interfaces/org.homeward.Watcher1.Host.xml \
	bus-interfaces/org.homeward.Watcher1.Service.xml
EXTRA_DIST += bus-interfaces/README bus-interfaces/errors.h
