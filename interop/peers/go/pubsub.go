package main

import (
	"bufio"
	"context"
	stded25519 "crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// pubsubConfig is what --config says; what it leaves out is as the library has it.
type pubsubConfig struct {
	Seed                *uint64       `json:"seed"`
	Policy              string        `json:"policy"`
	MessageID           string        `json:"message_id"`
	Protocols           []protocol.ID `json:"protocols"`
	HeartbeatMS         int           `json:"heartbeat_ms"`
	D                   *int          `json:"d"`
	Dlo                 *int          `json:"d_lo"`
	Dhi                 *int          `json:"d_hi"`
	Dout                *int          `json:"d_out"`
	Dscore              *int          `json:"d_score"`
	Dlazy               *int          `json:"d_lazy"`
	FloodPublish        bool          `json:"flood_publish"`
	PruneBackoffS       int           `json:"prune_backoff_s"`
	UnsubscribeBackoffS int           `json:"unsubscribe_backoff_s"`
	IDontWantBytes      int           `json:"idontwant_bytes"`
	MaxMessageBytes     int           `json:"max_message_bytes"`
	Queue               int           `json:"queue"`
	Scoring             bool          `json:"scoring"`
	Partial             bool          `json:"partial"`
	ValidationMS        int           `json:"validation_ms"`
}

// request is a line on stdin.
type request struct {
	Do        string    `json:"do"`
	Topic     string    `json:"topic"`
	Address   string    `json:"address"`
	Data      string    `json:"data"`
	Count     int       `json:"count"`
	First     uint64    `json:"first"`
	Bytes     int       `json:"bytes"`
	PerSecond float64   `json:"per_second"`
	Partial   string    `json:"partial"`
	Group     uint64    `json:"group"`
	Parts     uint8     `json:"parts"`
	To        []peer.ID `json:"to"`
	Latencies bool      `json:"latencies"`
}

type fields map[string]any

// lines prints objects, one a line, from whatever goroutine.
type lines struct {
	mutex sync.Mutex
	out   *json.Encoder
}

func (l *lines) print(v any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.out.Encode(v)
}

type pubsubNode struct {
	lines
	host    host.Host
	pubsub  *pubsub.PubSub
	config  pubsubConfig
	traffic *traffic
	groups  *groups
	topics  map[string]*joined
}

type joined struct {
	topic  *pubsub.Topic
	cancel context.CancelFunc // nil where it is not subscribed to
	count  *counter
}

func seededKey(seed uint64) (crypto.PrivKey, error) {
	var bytes [stded25519.SeedSize]byte
	binary.LittleEndian.PutUint64(bytes[:], seed)
	return crypto.UnmarshalEd25519PrivateKey(stded25519.NewKeyFromSeed(bytes[:]))
}

func runPubsub(o options) error {
	var config pubsubConfig
	if err := json.Unmarshal([]byte(o.config), &config); err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	key, err := newKey(o.key)
	if config.Seed != nil {
		key, err = seededKey(*config.Seed)
	}
	if err != nil {
		return err
	}
	h, err := newHostWithKey(key, o.listen)
	if err != nil {
		return err
	}
	defer h.Close()

	n := &pubsubNode{
		lines:  lines{out: newEncoder(os.Stdout)},
		host:   h,
		config: config,
		topics: make(map[string]*joined),
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n.traffic = newTraffic(h.ID())
	options, err := n.options()
	if err != nil {
		return err
	}
	if n.pubsub, err = pubsub.NewGossipSub(ctx, h, options...); err != nil {
		return err
	}
	if err := printListening(h); err != nil {
		return err
	}

	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	ended := make(chan error, 1)
	go func() { ended <- n.serve(ctx) }()
	select {
	case <-stopped:
		return nil
	case err := <-ended:
		return err
	}
}

// serve does what stdin says until it ends.
func (n *pubsubNode) serve(ctx context.Context) error {
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	for {
		var r request
		if err := in.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := n.do(ctx, r)
		if err != nil {
			n.print(fields{"event": "failed", "do": r.Do, "error": err.Error()})
			continue
		}
		if answer == nil {
			answer = fields{}
		}
		answer["event"], answer["do"] = "done", r.Do
		n.print(answer)
	}
}

func (n *pubsubNode) options() ([]pubsub.Option, error) {
	c := n.config
	params := pubsub.DefaultGossipSubParams()
	set(&params.D, c.D)
	set(&params.Dlo, c.Dlo)
	set(&params.Dhi, c.Dhi)
	set(&params.Dout, c.Dout)
	set(&params.Dscore, c.Dscore)
	set(&params.Dlazy, c.Dlazy)
	if c.D != nil && c.Dscore == nil {
		params.Dscore = min(params.Dscore, *c.D)
	}
	if c.HeartbeatMS > 0 {
		params.HeartbeatInterval = time.Duration(c.HeartbeatMS) * time.Millisecond
	}
	if c.PruneBackoffS > 0 {
		params.PruneBackoff = time.Duration(c.PruneBackoffS) * time.Second
	}
	if c.UnsubscribeBackoffS > 0 {
		params.UnsubscribeBackoff = time.Duration(c.UnsubscribeBackoffS) * time.Second
	}
	if c.IDontWantBytes > 0 {
		params.IDontWantMessageThreshold = c.IDontWantBytes
	}
	options := []pubsub.Option{
		pubsub.WithGossipSubParams(params),
		pubsub.WithRawTracer(n.traffic),
		pubsub.WithFloodPublish(c.FloodPublish),
	}

	switch c.Policy {
	case "", "strict-sign":
	case "strict-no-sign":
		options = append(options, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor())
	default:
		return nil, fmt.Errorf("unknown policy %q", c.Policy)
	}
	switch c.MessageID {
	case "", "default":
	case "sha256":
		options = append(options, pubsub.WithMessageIdFn(func(m *pb.Message) string {
			sum := sha256.Sum256(m.GetData())
			return string(sum[:])
		}))
	case "first8":
		options = append(options, pubsub.WithMessageIdFn(func(m *pb.Message) string {
			return string(m.GetData()[:min(8, len(m.GetData()))])
		}))
	default:
		return nil, fmt.Errorf("unknown message id %q", c.MessageID)
	}
	if len(c.Protocols) > 0 {
		options = append(options, pubsub.WithGossipSubProtocols(c.Protocols, pubsub.GossipSubDefaultFeatures))
	}
	if c.MaxMessageBytes > 0 {
		options = append(options, pubsub.WithMaxMessageSize(c.MaxMessageBytes))
	}
	if c.Queue > 0 {
		options = append(options, pubsub.WithPeerOutboundQueueSize(c.Queue), pubsub.WithValidateQueueSize(c.Queue))
	}
	if c.Scoring {
		options = append(options, pubsub.WithPeerScore(scoring()))
	}
	if c.Partial {
		n.groups = newGroups(n)
		options = append(options, pubsub.WithPartialMessagesExtension(n.groups.extension()))
	}
	return options, nil
}

func set(field *int, value *int) {
	if value != nil {
		*field = *value
	}
}

// scoring is a score that is kept and never harms anybody here.
func scoring() (*pubsub.PeerScoreParams, *pubsub.PeerScoreThresholds) {
	params := &pubsub.PeerScoreParams{
		AppSpecificScore:            func(peer.ID) float64 { return 0 },
		AppSpecificWeight:           1,
		IPColocationFactorWeight:    0,
		IPColocationFactorThreshold: 1,
		BehaviourPenaltyWeight:      -1,
		BehaviourPenaltyThreshold:   6,
		BehaviourPenaltyDecay:       0.9,
		DecayInterval:               time.Second,
		DecayToZero:                 0.01,
		RetainScore:                 time.Minute,
		Topics:                      make(map[string]*pubsub.TopicScoreParams),
	}
	thresholds := &pubsub.PeerScoreThresholds{GossipThreshold: -100, PublishThreshold: -1000, GraylistThreshold: -10000}
	return params, thresholds
}

func topicScoring() *pubsub.TopicScoreParams {
	return &pubsub.TopicScoreParams{
		TopicWeight:                    1,
		TimeInMeshWeight:               0.01,
		TimeInMeshQuantum:              time.Second,
		TimeInMeshCap:                  100,
		FirstMessageDeliveriesWeight:   1,
		FirstMessageDeliveriesDecay:    0.9,
		FirstMessageDeliveriesCap:      100,
		InvalidMessageDeliveriesWeight: -1,
		InvalidMessageDeliveriesDecay:  0.9,
	}
}

func (n *pubsubNode) do(ctx context.Context, r request) (fields, error) {
	switch r.Do {
	case "connect":
		target, err := peer.AddrInfoFromString(r.Address)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return nil, n.host.Connect(ctx, *target)
	case "subscribe":
		return nil, n.subscribe(ctx, r)
	case "unsubscribe":
		t, err := n.join(r.Topic)
		if err == nil && t.cancel != nil {
			t.cancel()
			t.cancel = nil
		}
		return nil, err
	case "publish":
		data, err := hex.DecodeString(r.Data)
		if err != nil {
			return nil, err
		}
		t, err := n.join(r.Topic)
		if err != nil {
			return nil, err
		}
		return nil, t.topic.Publish(ctx, data)
	case "load":
		return n.load(ctx, r)
	case "count":
		t, err := n.join(r.Topic)
		if err == nil {
			t.count.start()
		}
		return nil, err
	case "counted":
		t, err := n.join(r.Topic)
		if err != nil {
			return nil, err
		}
		return t.count.result(r.Latencies), nil
	case "state":
		return fields{"peers": peerNames(n.pubsub.ListPeers(r.Topic)), "mesh": n.traffic.meshOf(r.Topic)}, nil
	case "traffic":
		return n.traffic.counts(), nil
	case "add-parts", "publish-parts":
		if n.groups == nil {
			return nil, errors.New("partial messages are off")
		}
		if r.Do == "add-parts" {
			n.groups.add(r.Topic, r.Group, r.Parts)
			return nil, nil
		}
		return nil, n.groups.publish(r.Topic, r.Group, r.To)
	}
	return nil, fmt.Errorf("unknown command %q", r.Do)
}

func (n *pubsubNode) join(name string, options ...pubsub.TopicOpt) (*joined, error) {
	if t := n.topics[name]; t != nil {
		return t, nil
	}
	topic, err := n.pubsub.Join(name, options...)
	if err != nil {
		return nil, err
	}
	if n.config.Scoring {
		if err := topic.SetScoreParams(topicScoring()); err != nil {
			return nil, err
		}
	}
	t := &joined{topic: topic, count: new(counter)}
	n.topics[name] = t
	return t, nil
}

func (n *pubsubNode) subscribe(ctx context.Context, r request) error {
	var options []pubsub.TopicOpt
	switch r.Partial {
	case "":
	case "supports":
		options = append(options, pubsub.SupportsPartialMessages())
	case "requests":
		options = append(options, pubsub.RequestPartialMessages())
	default:
		return fmt.Errorf("unknown kind of partial messages %q", r.Partial)
	}
	t, err := n.join(r.Topic, options...)
	if err != nil || t.cancel != nil {
		return err
	}
	if n.config.ValidationMS > 0 {
		delay := time.Duration(n.config.ValidationMS) * time.Millisecond
		err := n.pubsub.RegisterTopicValidator(r.Topic, func(context.Context, peer.ID, *pubsub.Message) bool {
			time.Sleep(delay)
			return true
		})
		if err != nil {
			return err
		}
	}
	subscription, err := t.topic.Subscribe(pubsub.WithBufferSize(max(32, n.config.Queue)))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	t.cancel = func() {
		cancel()
		subscription.Cancel()
	}
	go n.receive(ctx, subscription, t.count)
	return nil
}

func (n *pubsubNode) receive(ctx context.Context, subscription *pubsub.Subscription, count *counter) {
	for {
		m, err := subscription.Next(ctx)
		if err != nil {
			return
		}
		if m.ReceivedFrom == n.host.ID() || count.add(m.Data) {
			continue
		}
		sum := sha256.Sum256(m.Data)
		line := fields{
			"event": "message", "topic": m.GetTopic(), "id": hex.EncodeToString([]byte(m.ID)),
			"from": m.ReceivedFrom.String(), "source": nil, "sequence": nil,
			"bytes": len(m.Data), "sha256": hex.EncodeToString(sum[:]),
		}
		if m.From != nil {
			line["source"] = m.GetFrom().String()
		}
		if m.Seqno != nil {
			line["sequence"] = hex.EncodeToString(m.Seqno)
		}
		n.print(line)
	}
}

// load publishes many messages: each begins with its number and with when it was published.
func (n *pubsubNode) load(ctx context.Context, r request) (fields, error) {
	t, err := n.join(r.Topic)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for i := range r.Count {
		if r.PerSecond > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(i) / r.PerSecond * float64(time.Second)))))
		}
		data := make([]byte, max(r.Bytes, 16))
		binary.BigEndian.PutUint64(data, r.First+uint64(i))
		binary.BigEndian.PutUint64(data[8:], uint64(time.Now().UnixMicro()))
		if err := t.topic.Publish(ctx, data); err != nil {
			return nil, err
		}
	}
	return fields{"count": r.Count, "seconds": time.Since(start).Seconds()}, nil
}

func peerNames(peers []peer.ID) []string {
	names := []string{}
	for _, p := range peers {
		names = append(names, p.String())
	}
	return names
}
