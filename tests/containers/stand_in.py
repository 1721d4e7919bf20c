"""A stand-in for apptainer, singularity, podman-hpc and shifter; `programs` gives it their names.

It understands the options that we give, notes its command line, and runs the command in PID and mount
namespaces of its own, where nothing of this machine is seen but /usr, /etc, /dev and what was bound. So the
"image" is this machine's own system: its Python has nothing installed. The real programs differ in more ways
than that; what is tested with it is our side.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FLAGS = {"exec", "run", "--rm", "--interactive", "--env-host", "--network=host", "--ipc=host", "--", "--nv"}
IMAGE_PATH = "/usr/local/sbin:/usr/bin:/bin:/usr/sbin:/sbin"


def main(program: str, arguments: list[str]) -> None:
    """Note the command line, then become `unshare`, which starts `inside` in new namespaces."""
    with Path(__file__).with_name("calls.jsonl").open("a") as file:
        file.write(json.dumps([program, *arguments]) + "\n")
    binds, folder, image, command = parsed(program, arguments)
    if not Path(image.removeprefix("docker:").removeprefix("local:")).is_dir():
        sys.exit(f"FATAL: could not open image {image}: no such file or directory")
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    words = [*user, "--mount", "--pid", "--fork", "--kill-child", sys.executable, "-I", __file__, "--inside"]
    os.execvp("unshare", ["unshare", *words, json.dumps([binds, folder, command])])


def parsed(program: str, arguments: list[str]) -> tuple[list[str], str, str, list[str]]:
    """The binds, the folder to start in, the image, and the command."""
    binds, folder, image, left = [], "", "", list(arguments)
    while left:
        word = left.pop(0)
        if word == "--bind":
            binds.append(left.pop(0))
        elif word.startswith("--volume="):
            binds.append(word.partition("=")[2])
        elif word == "--pwd":
            folder = left.pop(0)
        elif word.startswith("--workdir="):
            folder = word.partition("=")[2]
        elif word.startswith("--image="):
            image = word.partition("=")[2]
        elif word not in FLAGS and not word.startswith(("--log-driver=", "--entrypoint=")):
            if program != "shifter":
                return binds, folder, word, left
            return binds, folder, image, [word, *left]
    sys.exit("no command")


def inside(binds: list[str], folder: str, command: list[str]) -> None:
    """Make a root of the system and the binds, enter it and become the command."""
    root = tempfile.mkdtemp()
    mount("-t", "tmpfs", "image", root)
    for name in ("bin", "sbin", "lib", "lib64"):
        Path(root, name).symlink_to(f"usr/{name}")
    for name in ("usr", "etc", "dev"):
        bound(f"/{name}", f"{root}/{name}")
    Path(root, "proc").mkdir()
    mount("-t", "proc", "proc", f"{root}/proc")
    Path(root, "tmp").mkdir()
    for bind in binds:
        source, target, *options = bind.split(":")
        bound(source, root + target)
        if options == ["ro"]:
            mount("-o", "remount,bind,ro", root + target)
    os.chroot(root)
    os.chdir(folder or "/")
    os.execvpe(command[0], command, {**os.environ, "PATH": IMAGE_PATH, "CONTAINER": "stand-in"})


def bound(source: str, target: str) -> None:
    Path(target).mkdir(parents=True, exist_ok=True)
    mount("--rbind", source, target)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*json.loads(sys.argv[2]))
    else:
        main(sys.argv[1], sys.argv[2:])
