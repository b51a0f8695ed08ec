include tests/fuzz/module.mk
include tests/unit/common/module.mk
