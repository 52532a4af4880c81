"""Who a peer is: keys, peer ids, signed envelopes and peer records. Nothing here waits."""
