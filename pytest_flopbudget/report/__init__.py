"""Reports: verdicts to text, one file per reader; nothing here prints or decides."""
