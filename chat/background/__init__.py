"""Background work of a process: tasks, import jobs, backup jobs, temporary folders."""
