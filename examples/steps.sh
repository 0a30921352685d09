# What the run of every example is made of. Sourced from the example's folder.

export OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 PYTHONPATH=$PWD/..  # where checking.py is
python=.venv/bin/python
started=$SECONDS

# step TITLE COMMAND...: run it, and say how long it took.
step() {
    local title=$1 since=$SECONDS
    shift
    echo "== $title"
    "$@"
    echo "   $((SECONDS - since)) s"
}

# environment EXTRAS: .venv with what requirements.txt pins and the app as it is in this tree, made anew where either changed.
environment() {
    local extras=$1 app pins
    pins=$(cat requirements.txt ../../requirements.txt | sha256sum)
    app=$(cd ../.. && { cat pyproject.toml; find recommender -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum; } | sha256sum)
    if [ "$(cat .venv/pins.stamp 2>/dev/null)" != "$extras $pins" ]; then
        rm -rf .venv
        "${PYTHON:-python3.11}" -m venv .venv
    elif [ "$(cat .venv/app.stamp 2>/dev/null)" = "$app" ]; then
        return
    fi
    # The build has a folder of its own: what an earlier one left in build/ would be installed along.
    printf '[build]\nbuild_base = %s/.venv/build\n' "$PWD" >.venv/build.cfg
    rm -rf .venv/build
    DIST_EXTRA_CONFIG=$PWD/.venv/build.cfg $python -m pip install --quiet --disable-pip-version-check --no-compile \
        -r requirements.txt -c ../../requirements.txt "../..[$extras]"
    DIST_EXTRA_CONFIG=$PWD/.venv/build.cfg $python -m pip install --quiet --disable-pip-version-check --no-compile \
        --no-deps --force-reinstall ../..
    echo "$extras $pins" >.venv/pins.stamp
    echo "$app" >.venv/app.stamp
}

finished() {
    echo "== $1: everything above holds, after $((SECONDS - started)) s"
}
