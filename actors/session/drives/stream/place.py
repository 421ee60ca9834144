"""The place of a conversation's transcript, which is claude's to say.

The coordinator's environment isn't claude's: a wrapper or a setting may put claude's files elsewhere. So the place is
noted as soon as claude names it, before anything of that turn is told to anybody. Where claude knows a conversation
whose place was never noted (the coordinator was killed in between), claude is asked, by a hook that it runs when it
resumes; the model isn't asked.
"""

import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import structlog

from actors.lib.children import spawn
from actors.lib.files import write_atomically
from actors.lib.lenient_json import load_json
from actors.lib.process_marks import MARK
from actors.session.drive import HistoryHiddenError

log = structlog.get_logger(__name__)

LONGEST_PATH = 4000
"""The longest path that is believed, in characters."""
ASK_SECONDS = 30.0
"""The longest time to ask claude, in seconds."""


class TranscriptPlace:
    """Finds the transcript of one conversation.

    Args:
        note: The file that keeps its path.
        environment: Claude's environment, which says where to look where nothing was noted.
        directory: Claude's working directory: a relative path, or one with a tilde, is meant from there.
        conversation: Its id.
    """

    def __init__(
        self, note: Path, environment: Mapping[str, str], directory: Path, conversation: str
    ) -> None:
        self._note = note
        self._environment = environment
        self._directory = directory
        self._conversation = conversation
        self._noted = ""

    def find(self) -> Path | None:
        """Return the transcript's path; None if there is none."""
        noted = self._read_note()
        if noted is not None and noted.exists():
            return noted
        return self._look()

    def learn(self, transcript: str) -> None:
        """Note the path that claude has named.

        Raises:
            OSError: It can't be noted now.
        """
        if transcript and transcript != self._noted:
            # Not flushed to the disk, which would hold up all sessions: after a power cut claude is asked.
            write_atomically(self._note, transcript.encode(errors="surrogateescape"))
            self._noted = transcript

    def ask(self, command: Sequence[str], answer: Path) -> Path:
        """Ask claude where the transcript is, and note it.

        Args:
            command: The command line that resumes the conversation.
            answer: A file that claude may write.

        Raises:
            HistoryHiddenError: Claude doesn't say, or there is no such file.
            OSError: Claude can't be started.
        """
        answer.unlink(missing_ok=True)
        hook = {"type": "command", "command": f"umask 077; cat > {shlex.quote(str(answer))}"}
        settings = json.dumps({"hooks": {"SessionStart": [{"hooks": [hook]}]}})
        try:
            process = spawn(
                [*command, "--settings", settings],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._directory,
                env={**self._environment, MARK: self._conversation},
                start_new_session=True,
            )
            with _ending(process):
                process.wait(ASK_SECONDS)
            self.learn(_transcript_in(load_json(answer.read_bytes())))
        except (subprocess.TimeoutExpired, FileNotFoundError, orjson.JSONDecodeError) as error:
            log.warning("transcript_not_found", session=self._conversation, reason=str(error))
        finally:
            answer.unlink(missing_ok=True)
        found = self.find()
        if found is None:
            raise HistoryHiddenError(
                "claude says that its conversation exists, but not where its transcript is, so it isn't known what has"
                " arrived; `restart AGENT --new-conversation` begins a new one"
            )
        return found

    def _read_note(self) -> Path | None:
        if not self._noted:
            try:
                self._noted = self._note.read_bytes().decode(errors="surrogateescape")
            except FileNotFoundError:
                return None
        return self._directory / self._noted

    def _look(self) -> Path | None:
        home = Path(self._environment.get("HOME", "/"))
        configured = self._environment.get("CLAUDE_CONFIG_DIR")
        folder = self._directory / configured if configured else home / ".claude"
        return next(iter(folder.glob(f"projects/*/{self._conversation}.jsonl")), None)


@contextmanager
def _ending(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Have the process end with the block."""
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _transcript_in(hook_input: object) -> str:
    return str(hook_input.get("transcript_path") or "") if isinstance(hook_input, dict) else ""


def named_in(init: Mapping[str, Any], conversation: str) -> str:
    """Return the transcript's path that the beginning of a turn names; empty if it names none.

    Claude names the folder of its memory, beside which the transcript lies unless settings have moved it.
    """
    memory = init.get("memory_paths")
    folder = memory.get("auto") if isinstance(memory, dict) else None
    if not isinstance(folder, str) or not 0 < len(folder) <= LONGEST_PATH or "\0" in folder:
        return ""
    return str(Path(folder).parent / f"{conversation}.jsonl")
