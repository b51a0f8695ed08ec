# llq-watcher: filled in by its first commit
