"""What can be met while files are read, in words, with its cure."""

# What was met while reading: any of it refuses the file. Check, what it counts, cure.
FAULTS = (
    ("container", "damaged or unreadable files", "send the file again, whole, and named for what it is"),
    (
        "decompression_bomb",
        "files that unpack too far",
        "look at what it holds, or split it; the recipe's [validation] sets the limit: unpacked_bytes, unpacked_ratio",
    ),
    ("unsafe_archive", "archives with unsafe members", "pack plain files only, with relative names inside the archive"),
    ("encoding", "lines that are not UTF-8", "convert the file to UTF-8, for example with iconv"),
    ("nul_bytes", "lines with NUL bytes", "write the file again from its source"),
    (
        "line_too_long",
        "lines too long to be read",
        "split the text, or remove the row; the recipe's [validation] sets the limit: line_bytes",
    ),
    ("json", "lines that are not JSON (RFC 8259)", "write one object a line, with a JSON library"),
    ("csv", "rows that are not CSV (RFC 4180)", "quote texts that hold commas, quotes or line ends"),
    ("types", "rows with a value of the wrong type", "correct these values; none is converted"),
    ("missing_fields", "rows without a field they need", "add the field, or validate as another format"),
)
NOTES = (
    ("bom", "files with a byte order mark; it was left out", "save as UTF-8 without one"),
    ("crlf", "lines ended by CR LF; the CR was left out", "save with line feeds alone"),
    ("blank_lines", "empty lines between rows; they were left out", "write one row a line"),
    ("space_lines", "lines of white space alone; they were left out", "write one row a line"),
)
# What is left out of files that come in, and what no reader of the data leaves out: it refuses files used as they are.
UNREAD = (
    ("bom", "files with a byte order mark, with which no row is read", "save as UTF-8 without one"),
    ("space_lines", "lines of white space alone, which are no rows", "remove these lines"),
)
# These count files, not rows.
OF_FILES = {"container", "decompression_bomb", "unsafe_archive", "bom"}
