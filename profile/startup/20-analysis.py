"""Raw runs and live analysis to Tiled.

The server is the one of AINERD_TILED_URI, with AINERD_TILED_API_KEY, or one of our own in the session folder.
"""

import atexit

from bluesky_tiled_plugins import TiledWriter

from ainerd_agent.callbacks import InBackground
from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.live import live_analysis

settings = Settings()
if "tiled_uri" in settings.model_fields_set:
    catalog = connect(settings.tiled_address, create=True)
else:
    tiled_server = TiledServer(session_folder)
    atexit.register(tiled_server.close)
    catalog = connect(tiled_server.uri, create=True)

live = live_analysis(catalog, settings, session_folder / "unsent", geometry=experiment.camera.geometry)
raw_backup = session_folder / "unsent" / "raw"  # where raw runs wait while Tiled is away
raw_backup.mkdir(parents=True, exist_ok=True)
raw_writer = InBackground(TiledWriter(catalog["raw"], batch_size=1, max_array_size=0, backup_directory=str(raw_backup)))
analysis = InBackground(live.callback)
atexit.register(raw_writer.close)  # before the server, whatever the order of the exit: last registered, first called
atexit.register(analysis.close)
RE.subscribe(raw_writer)
RE.subscribe(analysis)
