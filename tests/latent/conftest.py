import pytest
import torch

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def encoder():
    from ainerd_agent.latent import Encoder

    return Encoder.load()
