"""C2 maps to latents: autoencoder, training, clusters, atlas, embedding."""

from ainerd_agent.latent.analyst import Analyst
from ainerd_agent.latent.atlas.atlas import Atlas
from ainerd_agent.latent.atlas.embedding import Embedding, embed
from ainerd_agent.latent.clusters import Clusters
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.encoding import Encoding
from ainerd_agent.latent.latents_file import load_latents
from ainerd_agent.latent.scaling import scale

__all__ = ["Analyst", "Atlas", "Clusters", "Embedding", "Encoder", "Encoding", "embed", "load_latents", "scale"]
