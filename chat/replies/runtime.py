"""Parts of the chat service that exist once per process."""

from __future__ import annotations

from chat.attachments.reading import FileReader
from chat.attachments.token_cost import AttachmentPricer
from chat.background.file_jobs import FileJobs
from chat.background.import_jobs import ImportJobs
from chat.background.tasks import BackgroundTasks
from chat.billing.call_costs import Billing
from chat.config.settings import Settings
from chat.errors import BackupRunning, ExportRunning
from chat.observability.metrics import Metrics
from chat.providers.catalogue import Catalogue
from chat.providers.tokenizer import Tokenizer
from chat.providers.transcriber import Transcriber
from chat.replies.model_selection import ModelSelection
from chat.replies.recovery import Recovery
from chat.replies.runner import ReplyRunner
from chat.replies.running_reply import RunningReply
from chat.replies.worker_liveness import Worker

BACKUP_PREFIX, EXPORT_PREFIX = "parley-backup-", "parley-export-"


class Runtime:
    """Settings, catalogue, event loop, tokenizer, file reader, billing and metrics of a process."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        billing: Billing,
        transcriber: Transcriber | None = None,
    ) -> None:
        self.settings, self.catalogue = settings, catalogue
        self.billing, self.transcriber = billing, transcriber
        self.metrics = Metrics()
        self.worker = Worker()
        self.runner = ReplyRunner()
        self.tokenizer = Tokenizer(settings.tiktoken_cache_dir)
        self.reader = FileReader(settings)
        self.pricer = AttachmentPricer(settings, self.tokenizer, self.reader)
        self.selection = ModelSelection(settings, catalogue, self.tokenizer, billing.kill_switch)
        self.recovery = Recovery(self.runner, self.worker, billing)
        self.tasks = BackgroundTasks()
        self.imports = ImportJobs()
        self.exports = FileJobs(EXPORT_PREFIX, ExportRunning)
        self.backups = FileJobs(BACKUP_PREFIX, BackupRunning)
        self.metrics.observe_replies(lambda: len(self.runner.running()))
        self.metrics.observe_imports(self.imports.running)
        billing.kill_switch.on_switched_off(self._stop_switched_off)

    def stop_if_off(self, reply: RunningReply) -> None:
        """Stop a reply if its model was switched off, possibly by another process."""
        if reply.call and self.billing.kill_switch.is_off(reply.call.model):
            self.runner.stop(reply.answer_id, wait=0)

    def _stop_switched_off(self) -> None:
        for reply in self.runner.running():
            self.stop_if_off(reply)
