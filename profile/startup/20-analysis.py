"""Raw runs and live analysis to Tiled.

The server is the one of AINERD_TILED_URI, with AINERD_TILED_API_KEY, or one of our own in the session folder.
"""

import atexit

from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.live import live_analysis, raw_writer
from ainerd_agent.workflows.live_channel import LiveChannel

settings = Settings()
if "tiled_uri" in settings.model_fields_set:
    catalog = connect(settings.tiled_address, create=True)
else:
    tiled_server = TiledServer(session_folder)
    atexit.register(tiled_server.close)
    catalog = connect(tiled_server.uri, create=True)

channel = LiveChannel(settings.live_port)
live = live_analysis(catalog, settings, session_folder / "unsent", geometry=experiment.camera.geometry, channel=channel)
raw = raw_writer(catalog, session_folder / "unsent")
analysis = live.in_background()
looks = live.looks.in_background()
atexit.register(channel.close)
atexit.register(live.looks.close)
atexit.register(looks.close)
atexit.register(raw.close)  # before the server, whatever the order of the exit: last registered, first called
atexit.register(analysis.close)
RE.subscribe(raw)
RE.subscribe(analysis)
RE.subscribe(looks)
