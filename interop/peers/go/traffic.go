package main

import (
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// traffic is a tracer that counts what is said, and knows the meshes.
type traffic struct {
	mutex          sync.Mutex
	self           peer.ID
	sent, received said
	duplicates     int
	mesh           map[string]map[peer.ID]struct{}
	protocols      map[string]protocol.ID
}

// said counts messages, the ids in IHAVE, IWANT and IDONTWANT, and the topics in GRAFT and PRUNE.
type said struct {
	Messages  int `json:"messages"`
	IHave     int `json:"ihave"`
	IWant     int `json:"iwant"`
	IDontWant int `json:"idontwant"`
	Graft     int `json:"graft"`
	Prune     int `json:"prune"`
	Partial   int `json:"partial"`
}

func newTraffic(self peer.ID) *traffic {
	return &traffic{self: self, mesh: make(map[string]map[peer.ID]struct{}), protocols: make(map[string]protocol.ID)}
}

func (s *said) add(rpc *pubsub.RPC) {
	s.Messages += len(rpc.GetPublish())
	for _, ihave := range rpc.GetControl().GetIhave() {
		s.IHave += len(ihave.GetMessageIDs())
	}
	for _, iwant := range rpc.GetControl().GetIwant() {
		s.IWant += len(iwant.GetMessageIDs())
	}
	for _, idontwant := range rpc.GetControl().GetIdontwant() {
		s.IDontWant += len(idontwant.GetMessageIDs())
	}
	s.Graft += len(rpc.GetControl().GetGraft())
	s.Prune += len(rpc.GetControl().GetPrune())
	if rpc.GetPartial() != nil {
		s.Partial++
	}
}

func (t *traffic) counts() fields {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	protocols := make(map[string]protocol.ID)
	for p, id := range t.protocols {
		protocols[p] = id
	}
	return fields{"sent": t.sent, "received": t.received, "duplicates": t.duplicates, "protocols": protocols}
}

func (t *traffic) meshOf(topic string) []string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	peers := []peer.ID{}
	for p := range t.mesh[topic] {
		peers = append(peers, p)
	}
	return peerNames(peers)
}

func (t *traffic) change(change func()) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	change()
}

func (t *traffic) OnNewOutboundStream(p peer.ID, id protocol.ID) {
	t.change(func() { t.protocols[p.String()] = id })
}

func (t *traffic) OnClosedOutboundStream(p peer.ID) {
	t.change(func() {
		delete(t.protocols, p.String())
		for _, peers := range t.mesh {
			delete(peers, p)
		}
	})
}

func (t *traffic) Graft(p peer.ID, topic string) {
	t.change(func() {
		if t.mesh[topic] == nil {
			t.mesh[topic] = make(map[peer.ID]struct{})
		}
		t.mesh[topic][p] = struct{}{}
	})
}

func (t *traffic) Prune(p peer.ID, topic string) { t.change(func() { delete(t.mesh[topic], p) }) }

func (t *traffic) RecvRPC(rpc *pubsub.RPC) { t.change(func() { t.received.add(rpc) }) }

func (t *traffic) SendRPC(rpc *pubsub.RPC, _ peer.ID) { t.change(func() { t.sent.add(rpc) }) }

func (t *traffic) DuplicateMessage(m *pubsub.Message) {
	if m.ReceivedFrom != t.self {
		t.change(func() { t.duplicates++ })
	}
}

func (t *traffic) Join(string)                                          {}
func (t *traffic) Leave(string)                                         {}
func (t *traffic) ValidateMessage(*pubsub.Message)                      {}
func (t *traffic) DeliverMessage(*pubsub.Message)                       {}
func (t *traffic) RejectMessage(*pubsub.Message, string)                {}
func (t *traffic) ThrottlePeer(peer.ID)                                 {}
func (t *traffic) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
func (t *traffic) DropRPC(*pubsub.RPC, peer.ID)                         {}
func (t *traffic) UndeliverableMessage(*pubsub.Message)                 {}
