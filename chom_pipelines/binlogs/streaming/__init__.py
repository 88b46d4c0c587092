"""The log archived as it is written: parts, until the file is closed and archived whole."""
