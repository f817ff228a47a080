import pytest


@pytest.fixture(scope="session")
def encoder():
    from ainerd_agent.latent import Encoder

    return Encoder.load()
