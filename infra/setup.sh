#!/usr/bin/env bash
# Make .venv from requirements.lock with the user's own pip configuration; do nothing when it is there already.
#   PYTHON=python3.12  the interpreter to use          TORCH=cuda  PyTorch with its CUDA libraries
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
torch=${TORCH:-cpu}
stamp=.venv/setup-is-complete
pytorch_cpu=https://download.pytorch.org/whl/cpu

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
say() { printf 'setup: %s\n' "$*"; }

[ "$torch" = cpu ] || [ "$torch" = cuda ] || fail "TORCH is '$torch'; it is cpu (the default) or cuda"
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) ||
  fail "'$python' does not run; install Python 3.11, or name another one: PYTHON=/path/to/python make ..."
wanted="$(cat requirements.lock pyproject.toml infra/setup.sh | sha256sum | cut -d' ' -f1) $version $torch $PWD"
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

case $version in
  3.11.* | 3.12.* | 3.13.*) ;;
  *) fail "$python is Python $version; the lock is for 3.11 (tested), 3.12 and 3.13. Choose one: PYTHON=python3.11 make ..." ;;
esac
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  fail "$python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"

started=$(date +%s)
say "making .venv with Python $version (once; needs about 2.5 GB and a few minutes)"
# From the beginning, since what an interrupted installation left behind cannot be told from a whole one.
"$python" -m venv --clear .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install -qq --no-deps "$(grep '^uv==' requirements.lock)"
settings=$(.venv/bin/python -m pip config list | .venv/bin/python infra/uv_settings.py)
eval "$settings"
install() { .venv/bin/uv pip install --quiet --no-config --python .venv/bin/python "$@"; }

pinned=$(sed -n 's/^torch==\([^ ;]*\).*/\1/p' requirements.lock)
lock=.venv/requirements.lock
cp requirements.lock "$lock"
index=()
if [ "$torch" = cpu ] && [ "$(uname -s)" = Linux ]; then
  sed -i "s/^torch==$pinned/torch==$pinned+cpu/" "$lock"
  if install --no-deps --dry-run "torch==$pinned+cpu" 2>/dev/null; then
    say "torch $pinned: the CPU build that your pip configuration offers"
  else
    say "torch $pinned: the CPU build from $pytorch_cpu (TORCH=cuda for the other one)"
    index=(--index "$pytorch_cpu")
  fi
fi
say "installing $(grep -c '^[a-z]' "$lock") packages, all versions pinned by requirements.lock"
# Compiled once here, or many processes at a time would compile the same, and in every process where Python may not
# write bytecode (PYTHONDONTWRITEBYTECODE, as in many containers).
install --no-deps --compile-bytecode ${index[@]+"${index[@]}"} -r "$lock"
if [ "$torch" = cuda ]; then
  say "installing the CUDA libraries that torch $pinned asks for"
  install --constraint requirements.lock "torch==$pinned"
fi
install --no-deps --no-build-isolation --editable .
printf '%s' "$wanted" >"$stamp"
say "done in $(($(date +%s) - started)) s"
