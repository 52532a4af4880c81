package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/bits"
	"sync"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p-pubsub/partialmessages"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A group is 8 parts of 1 KiB. Its metadata is one byte, a bit for each part that its sender has; a message is such a
// byte for the parts in it, these parts, and the group's id.
const (
	partCount = 8
	partBytes = 1024
)

type groupKey struct {
	topic string
	id    uint64
}

type group struct {
	have  uint8
	parts [partCount][]byte
}

// partsState is what is known of a peer and a group.
type partsState struct {
	known bool  // whether it said what it has
	has   uint8 // what it has, as it said and as we sent
	told  bool  // whether it was told what we have
	mine  uint8 // what it was told
}

type groups struct {
	node  *pubsubNode
	mutex sync.Mutex
	all   map[groupKey]*group
}

func newGroups(n *pubsubNode) *groups {
	return &groups{node: n, all: make(map[groupKey]*group)}
}

func (g *groups) extension() *partialmessages.PartialMessagesExtension[partsState] {
	return &partialmessages.PartialMessagesExtension[partsState]{
		Logger:             slog.New(slog.NewTextHandler(io.Discard, nil)),
		GroupTTLByHeatbeat: 60,
		OnEmitGossip: func(topic string, id []byte, _ []peer.ID, _ map[peer.ID]partsState) {
			if number, ok := groupNumber(id); ok {
				go g.publish(topic, number, nil) // not from within the library's own loop
			}
		},
		OnIncomingRPC: g.receive,
	}
}

func groupID(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

func groupNumber(id []byte) (uint64, bool) {
	if len(id) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(id), true
}

func (g *groups) get(topic string, number uint64) *group {
	key := groupKey{topic, number}
	if g.all[key] == nil {
		g.all[key] = new(group)
	}
	return g.all[key]
}

// add makes up those parts of a group.
func (g *groups) add(topic string, number uint64, parts uint8) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	group := g.get(topic, number)
	for i := range partCount {
		if parts>>i&1 == 0 {
			continue
		}
		var part []byte
		for j := range partBytes / 8 {
			part = binary.BigEndian.AppendUint64(part, number+uint64(i*partBytes/8+j))
		}
		group.parts[i] = part
	}
	group.have |= parts
}

func (g *group) encode(parts uint8, number uint64) []byte {
	message := []byte{parts}
	for i, part := range g.parts {
		if parts>>i&1 == 1 {
			message = append(message, part...)
		}
	}
	return append(message, groupID(number)...)
}

// take puts in the parts of a message, and says which are in it.
func (g *group) take(message []byte) (uint8, error) {
	if len(message) < 9 || len(message) != 9+bits.OnesCount8(message[0])*partBytes {
		return 0, fmt.Errorf("a partial message of %d bytes", len(message))
	}
	rest := message[1:]
	for i := range partCount {
		if message[0]>>i&1 == 1 {
			g.parts[i], rest = rest[:partBytes], rest[partBytes:]
		}
	}
	g.have |= message[0]
	return message[0], nil
}

func (g *groups) receive(from peer.ID, states map[peer.ID]partsState, rpc *pb.PartialMessagesExtension) error {
	number, ok := groupNumber(rpc.GroupID)
	if !ok {
		return fmt.Errorf("a group id of %d bytes", len(rpc.GroupID))
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	group, state, topic := g.get(rpc.GetTopicID(), number), states[from], rpc.GetTopicID()
	if len(rpc.PartsMetadata) == 1 {
		state.known, state.has = true, state.has|rpc.PartsMetadata[0]
	}
	if len(rpc.PartialMessage) > 0 {
		before := group.have
		parts, err := group.take(rpc.PartialMessage)
		if err != nil {
			return err
		}
		state.has |= parts
		g.node.print(fields{
			"event": "parts", "topic": topic, "group": number, "from": from.String(),
			"parts": parts, "new": group.have != before, "have": group.have,
		})
	}
	states[from] = state
	go g.publish(topic, number, nil) // not from within the library's own loop
	return nil
}

// publish tells the peers of a mesh what we have where they do not know, and sends what they lack. To those in `to`
// everything is sent unasked.
func (g *groups) publish(topic string, number uint64, to []peer.ID) error {
	actions := func(states map[peer.ID]partsState, requests func(peer.ID) bool) iter.Seq2[peer.ID, partialmessages.PublishAction] {
		return func(yield func(peer.ID, partialmessages.PublishAction) bool) {
			g.mutex.Lock()
			defer g.mutex.Unlock()
			group := g.get(topic, number)
			for _, p := range to {
				if _, ok := states[p]; !ok {
					states[p] = partsState{}
				}
			}
			for p, state := range states {
				var action partialmessages.PublishAction
				missing := group.have &^ state.has
				if missing != 0 && (state.known || contains(to, p)) && requests(p) {
					action.EncodedPartialMessage = group.encode(missing, number)
					state.has |= missing
				}
				if !state.told || state.mine != group.have {
					action.EncodedPartsMetadata = []byte{group.have}
					state.told, state.mine = true, group.have
				}
				states[p] = state
				if !yield(p, action) {
					return
				}
			}
		}
	}
	return pubsub.PublishPartial(g.node.pubsub, topic, groupID(number), actions)
}

func contains(peers []peer.ID, p peer.ID) bool {
	for _, one := range peers {
		if one == p {
			return true
		}
	}
	return false
}
