"""From a detector to bins of pixels: geometry, masks, sectors, labels, partition maps."""
