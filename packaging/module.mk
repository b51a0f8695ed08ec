dist_dbuspolicy_DATA = packaging/bus/org.homeward.conf
dist_sysusers_DATA = packaging/sysusers/homeward.conf
dist_tmpfiles_DATA = packaging/tmpfiles/homeward.conf
