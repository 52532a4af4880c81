"""`FloodSub`: pubsub by floodsub, for small networks and for peers that speak nothing else."""

from p2pstack.abc.host import Host
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.floodsub import FloodSubRouter
from p2pstack.pubsub.service import PubSub

__all__ = ["FloodSub"]


class FloodSub(PubSub):
    """Floodsub, in a host: `Host(services=[FloodSub()])`. Every message goes to every peer of its topic."""

    def _make_router(self, host: Host, admission: Admission, subscription_filter: SubscriptionFilter) -> FloodSubRouter:
        return FloodSubRouter(admission=admission, subscription_filter=subscription_filter)
