"""Archives that nobody would send on purpose: Hypothesis strategies for tar and zip files with every kind of member."""

import io
import tarfile
import zipfile

from hypothesis import strategies as st

from tests.hostile_files import files, gzipped, json_lines

MEMBERS = st.sampled_from(
    ("a.jsonl", "b.csv", "c/d.jsonl.gz", "A.JSONL", "../e.jsonl", "/f.jsonl", "c", "c/", ".g.jsonl", "h\\i.jsonl",
     "j\0.jsonl", "__MACOSX/k", "l.zip", "x" * 300 + ".jsonl", "你.jsonl", "", ".", "C:m.jsonl")
)  # fmt: skip
KINDS = st.sampled_from(
    (tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)
)


@st.composite
def tars(draw, form):
    """A tar file with members of every kind."""
    out = io.BytesIO()
    style = draw(st.sampled_from((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)))
    with tarfile.open(fileobj=out, mode="w", format=style) as tar:
        for name in draw(st.lists(MEMBERS, max_size=3)):
            info = tarfile.TarInfo(name if style != tarfile.USTAR_FORMAT else name[:90])
            info.type, info.linkname = draw(KINDS), "/etc/passwd"
            content = draw(json_lines(form)) if info.isreg() else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@st.composite
def zips(draw, form):
    """A zip file with members of every kind."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in draw(st.lists(MEMBERS, max_size=3, unique=True)):
            info = zipfile.ZipInfo(name.replace("\0", ""))
            info.compress_type = draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)))
            info.external_attr = draw(st.sampled_from((0, 0o100644, 0o120777, 0o040755, 0o010644))) << 16
            archive.writestr(info, draw(json_lines(form)))
    return out.getvalue()


ARCHIVES = st.one_of(
    files(".tar", tars),
    files(".tgz", tars, ("",)).map(lambda f: f._replace(content=gzipped(f.content))),
    files(".zip", zips, ("",)),
)
