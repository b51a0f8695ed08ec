include tests/fuzz/module.mk
include tests/unit/common/module.mk
include tests/unit/dns/module.mk
include tests/unit/tunneld/module.mk
include tests/unit/keyd/module.mk
include tests/unit/identity/module.mk
include tests/unit/registrar/module.mk
include tests/unit/mapper/module.mk
