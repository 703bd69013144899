package exchange

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// TopicLinks is notified when people change which neighbours are connected.
const TopicLinks = "exchange.links"

// LinkState says how far a connected neighbour is.
type LinkState string

// The states in their order. Before LinkLive only what nodes tell each other and
// test addresses pass; from LinkLeaving on nothing new is accepted for it.
const (
	LinkProposed LinkState = "proposed"
	LinkTested   LinkState = "tested"
	LinkLive     LinkState = "live"
	LinkLeaving  LinkState = "leaving"
	LinkGone     LinkState = "gone"
)

// Link is a neighbour's node that people connected while this one ran. Username
// and Password of Peer are ours at their node, Login and Secret theirs at ours;
// OldSecret is good too until they have signed in with Secret, "" for none.
type Link struct {
	Peer
	Name         string
	Organisation string
	State        LinkState
	StateAt      time.Time
	Login        string
	Secret       string
	OldSecret    string
	CreatedBy    string // ids of persons
	CreatedAt    time.Time
	ProposedBy   string
	ProposedAt   time.Time
	ConfirmedBy  string
	ConfirmedAt  time.Time
	SignedInAt   time.Time // at our node; a minute old at most, like the next two
	RegisterAt   time.Time // they read our register
	MessageAt    time.Time // they sent us something
	Certificates []LinkCertificate
}

// LinkCertificate is one a connected peer may show, or might until it was removed.
type LinkCertificate struct {
	Fingerprint string
	AddedBy     string
	AddedAt     time.Time
	ConfirmedBy string
	ConfirmedAt time.Time
	RemovedBy   string
	RemovedAt   time.Time
	SeenAt      time.Time
	NotAfter    time.Time // zero: not seen yet
}

// Trial reports whether the link is not live yet.
func (s LinkState) Trial() bool { return s == LinkProposed || s == LinkTested }

// Accepted reports whether the certificate counts for a link in that state.
func (c LinkCertificate) Accepted(s LinkState) bool {
	return c.RemovedAt.IsZero() && (s.Trial() || !c.ConfirmedAt.IsZero())
}

// Complete reports whether their data are there.
func (l *Link) Complete() bool { return l.OID != "" && l.BaseURL != "" && l.Username != "" }

// neighbours is a snapshot of all peers, configured and connected; it does not
// change.
type neighbours struct {
	list     []*peer // by id
	byID     map[string]*peer
	byOID    map[string]*peer
	accounts map[string]*account // of the connected ones, by user name
	pinned   map[string]*peer    // by accepted fingerprint
	revoked  map[string]bool     // fingerprints
	replaced chan struct{}       // closed when there is a newer one
}

func newNeighbours(list []*peer) *neighbours {
	s := &neighbours{
		list: list, byID: map[string]*peer{}, byOID: map[string]*peer{}, accounts: map[string]*account{},
		pinned: map[string]*peer{}, revoked: map[string]bool{}, replaced: make(chan struct{}),
	}
	slices.SortFunc(list, func(a, b *peer) int { return strings.Compare(a.ID, b.ID) })
	for _, p := range list {
		s.byID[p.ID], s.byOID[p.OID] = p, p
		if p.account != nil {
			s.accounts[p.account.Username] = p.account
		}
		for fp := range p.accepted {
			s.pinned[fp] = p
		}
		for fp := range p.revoked {
			s.revoked[fp] = true
		}
	}
	for fp := range s.pinned {
		delete(s.revoked, fp)
	}
	return s
}

// peers returns the snapshot of now.
func (n *Node) peers() *neighbours { return n.neighbours.Load() }

// OID is the node's own address.
func (n *Node) OID() string { return n.cfg.OID }

// Listen is the address at which the node is called, of the configuration.
func (n *Node) Listen() string { return n.cfg.Listen }

// Operator is who runs the node, as its register record has it.
func (n *Node) Operator() string { return n.cfg.Operator }

// Configured lists the peers of the configuration file, without passwords.
func (n *Node) Configured() []Peer { return withoutPasswords(n.configured) }

// Peers lists the peers that messages go to by id, those of the configuration file
// and the connected ones that are no trial, without passwords.
func (n *Node) Peers() []Peer { return withoutPasswords(n.reliedOn()) }

func (n *Node) reliedOn() []*peer {
	return slices.DeleteFunc(slices.Clone(n.peers().list), func(p *peer) bool { return p.state.Trial() })
}

func withoutPasswords(peers []*peer) []Peer {
	var out []Peer
	for _, p := range peers {
		c := p.Peer
		c.Username, c.Password = "", ""
		out = append(out, c)
	}
	return out
}

// current reports whether p is still what its id stands for.
func (n *Node) current(p *peer) bool { return n.peers().byID[p.ID] == p }

// account finds who signs in: of the configuration, or a connected peer.
func (n *Node) account(username string) *account {
	if a := n.accounts[username]; a != nil {
		return a
	}
	return n.peers().accounts[username]
}

// linkKey is what makes a peer another one when it changes.
type linkKey struct {
	Peer
	state                 LinkState
	login, secret, before string
	accepted, notAccepted string
}

func (l *Link) key() linkKey {
	k := linkKey{Peer: l.Peer, state: l.State, login: l.Login, secret: l.Secret, before: l.OldSecret}
	for _, c := range l.Certificates {
		switch {
		case c.Accepted(l.State):
			k.accepted += c.Fingerprint + " "
		case !c.RemovedAt.IsZero():
			k.notAccepted += c.Fingerprint + " "
		}
	}
	return k
}

// connected reports whether people connected the peer while the node ran.
func (p *peer) connected() bool { return p.link.ID != "" }

func setOf(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// loadPeers takes up what people changed. Peers that stay the same keep their
// object; what works for another one notices by Node.current and stops.
func (n *Node) loadPeers(ctx context.Context) error {
	n.loading.Lock()
	defer n.loading.Unlock()
	var links []Link
	if err := n.db.Read(ctx, func(tx *store.Tx) (err error) {
		links, err = n.Links(tx)
		return err
	}); err != nil {
		return err
	}
	old := n.peers()
	list := slices.Clone(n.configured)
	oids := map[string]bool{n.cfg.OID: true}
	for _, p := range n.configured {
		oids[p.OID] = true
	}
	changed := false
	for i := range links {
		l := &links[i]
		if l.State == LinkGone || !l.Complete() {
			continue
		}
		if oids[l.OID] || slices.ContainsFunc(n.configured, func(p *peer) bool { return p.ID == l.ID }) {
			n.log.Warn("exchange: connected neighbour left out, the configuration has the same", "peer", l.ID, "oid", l.OID)
			continue
		}
		oids[l.OID] = true
		key := l.key()
		before := old.byID[l.ID]
		if before != nil && before.link == key {
			list = append(list, before)
			continue
		}
		p, err := newPeer(n.cfg, l.Peer, n.security, n.version, func(p *peer) {
			p.link, p.state, p.accepted, p.revoked = key, l.State, setOf(key.accepted), setOf(key.notAccepted)
		})
		if err != nil {
			n.log.Error("exchange: connected neighbour", "peer", l.ID, "error", err)
			continue
		}
		if before != nil {
			p.slots, p.rate, p.noted = before.slots, before.rate, before.noted
			p.heard.Store(before.heard.Load())
		}
		p.account = &account{
			Account: Account{Username: l.Login, Password: l.Secret, Type: accountP2P, OIDs: []string{l.OID}},
			actor:   access.Actor{Type: "Account", ID: l.Login, Attributes: map[string]any{"type": accountP2P, "oids": []string{l.OID}}},
			rate:    p.rate, peer: l.ID, before: l.OldSecret,
		}
		list, changed = append(list, p), true
	}
	if !changed && len(list) == len(old.list) {
		return nil
	}
	set := newNeighbours(list)
	n.neighbours.Store(set)
	close(old.replaced)
	for _, p := range old.list {
		if set.byID[p.ID] != p {
			p.client.Close()
		}
	}
	return nil
}

const linkColumns = `id, name, organisation, stage, stage_at, oid, base_url, desk_phone, username, password, login, secret, old_secret, key_id,
	created_by, created_at, proposed_by, proposed_at, confirmed_by, confirmed_at, signed_in_at, register_at, message_at`

// linkPlace binds a sealed password to its row and column.
func linkPlace(id, column string) []byte { return []byte("exchange_link:" + id + "/" + column) }

// Links lists the connected neighbours by name, also those that left.
func (n *Node) Links(tx *store.Tx) ([]Link, error) {
	return n.links(tx, `SELECT `+linkColumns+` FROM exchange_link ORDER BY name, id`)
}

// Link returns one; store.ErrNoRows when there is none.
func (n *Node) Link(tx *store.Tx, id string) (Link, error) {
	l, err := n.links(tx, `SELECT `+linkColumns+` FROM exchange_link WHERE id = $1`, id)
	if err != nil {
		return Link{}, err
	}
	if len(l) == 0 {
		return Link{}, store.ErrNoRows
	}
	return l[0], nil
}

func (n *Node) links(tx *store.Tx, query string, args ...any) ([]Link, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type sealedRow struct {
		password, secret, before []byte
		key                      int64
	}
	var out []Link
	var sealed []sealedRow
	for rows.Next() {
		var l Link
		var s sealedRow
		var at [7]int64
		if err := rows.Scan(&l.ID, &l.Name, &l.Organisation, &l.State, &at[0], &l.OID, &l.BaseURL, &l.DeskPhone, &l.Username, &s.password,
			&l.Login, &s.secret, &s.before, &s.key, &l.CreatedBy, &at[1], &l.ProposedBy, &at[2], &l.ConfirmedBy, &at[3], &at[4], &at[5], &at[6]); err != nil {
			return nil, err
		}
		for i, t := range []*time.Time{&l.StateAt, &l.CreatedAt, &l.ProposedAt, &l.ConfirmedAt, &l.SignedInAt, &l.RegisterAt, &l.MessageAt} {
			*t = moment(at[i])
		}
		out, sealed = append(out, l), append(sealed, s)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range out {
		l := &out[i]
		if l.Certificates, err = linkCertificates(tx, l.ID); err != nil {
			return nil, err
		}
		key, err := n.ring.Lookup(tx, sealed[i].key)
		if errors.Is(err, seal.ErrDestroyed) {
			continue // with the link's end
		}
		if err != nil {
			return nil, fmt.Errorf("exchange: link %s: %w", l.ID, err)
		}
		if err := openColumns(key, l.ID, map[string]sealedColumn{
			"password": {sealed[i].password, &l.Password}, "secret": {sealed[i].secret, &l.Secret}, "old_secret": {sealed[i].before, &l.OldSecret},
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sealedColumn is where the opened value of a column goes; none stays "".
type sealedColumn struct {
	sealed []byte
	to     *string
}

func openColumns(key *seal.Key, link string, columns map[string]sealedColumn) error {
	for column, f := range columns {
		if len(f.sealed) == 0 {
			continue
		}
		plain, err := key.Open(f.sealed, linkPlace(link, column))
		if err != nil {
			return fmt.Errorf("exchange: link %s: %w", link, err)
		}
		*f.to = string(plain)
	}
	return nil
}

func linkCertificates(tx *store.Tx, link string) ([]LinkCertificate, error) {
	rows, err := tx.Query(`SELECT fingerprint, added_by, added_at, confirmed_by, confirmed_at, removed_by, removed_at, seen_at, not_after
		FROM exchange_link_certificate WHERE link = $1 ORDER BY added_at, fingerprint`, link)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []LinkCertificate
	for rows.Next() {
		var c LinkCertificate
		var at [5]int64
		if err := rows.Scan(&c.Fingerprint, &c.AddedBy, &at[0], &c.ConfirmedBy, &at[1], &c.RemovedBy, &at[2], &at[3], &at[4]); err != nil {
			return nil, err
		}
		for i, t := range []*time.Time{&c.AddedAt, &c.ConfirmedAt, &c.RemovedAt, &c.SeenAt, &c.NotAfter} {
			*t = moment(at[i])
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// LinkFaults are the fields of their data that can't be used, each with the key
// of its text; none when PutLink takes them. It looks at what is filled in.
func (n *Node) LinkFaults(tx *store.Tx, l Link) (map[string]string, error) {
	faults := map[string]string{}
	others, err := n.Links(tx)
	if err != nil {
		return nil, err
	}
	if l.OID != "" {
		taken := l.OID == n.cfg.OID
		for _, p := range n.registry.Load().local {
			taken = taken || p.rec.ID == l.OID
		}
		for _, p := range n.configured {
			taken = taken || p.OID == l.OID
		}
		for _, o := range others {
			taken = taken || o.ID != l.ID && o.State != LinkGone && o.OID == l.OID
		}
		switch {
		case !ucri.ValidOID(l.OID):
			faults["oid"] = "exchange.config.oid"
		case taken:
			faults["oid"] = "exchange.link.oid_taken"
		}
	}
	if l.BaseURL != "" {
		u, err := url.Parse(l.BaseURL)
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https":
			faults["base_url"] = "exchange.config.base_url"
		case u.Scheme == "http" && !(n.cfg.InsecureLoopback && isLoopback(u.Hostname())):
			faults["base_url"] = "exchange.config.base_url_plain"
		}
	}
	for _, o := range others {
		if o.ID != l.ID && o.Login == l.Login {
			faults["login"] = "exchange.config.username"
		}
	}
	if l.Login == "" || strings.Contains(l.Login, ":") || n.accounts[l.Login] != nil {
		faults["login"] = "exchange.config.username"
	}
	return faults, nil
}

// PutLink stores a link, new or changed, but for its state and certificates.
// The caller has asked LinkFaults and writes the audit record.
func (n *Node) PutLink(tx *store.Tx, l Link) error {
	key, err := n.ring.Key(tx, "exchange.link:"+l.ID)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO exchange_link (`+linkColumns+`)
		VALUES ($1, $2, $3, 'proposed', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $4, $15, $16, $17, $18, 0, 0, 0)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, oid = excluded.oid, base_url = excluded.base_url, desk_phone = excluded.desk_phone,
			username = excluded.username, password = excluded.password, secret = excluded.secret, old_secret = excluded.old_secret, key_id = excluded.key_id,
			proposed_by = excluded.proposed_by, proposed_at = excluded.proposed_at,
			confirmed_by = excluded.confirmed_by, confirmed_at = excluded.confirmed_at`,
		l.ID, l.Name, l.Organisation, millis(n.clock.Now()), l.OID, l.BaseURL, l.DeskPhone, l.Username,
		key.Seal([]byte(l.Password), linkPlace(l.ID, "password")), l.Login, key.Seal([]byte(l.Secret), linkPlace(l.ID, "secret")),
		sealText(key, l.OldSecret, linkPlace(l.ID, "old_secret")), key.ID(),
		l.CreatedBy, l.ProposedBy, unix(l.ProposedAt), l.ConfirmedBy, unix(l.ConfirmedAt)); err != nil {
		return err
	}
	if l.Complete() {
		if err := addPeerRow(tx, l.ID); err != nil {
			return err
		}
	}
	tx.Notify(TopicLinks)
	return nil
}

// sealText is nil for no text.
func sealText(key *seal.Key, text string, place []byte) []byte {
	if text == "" {
		return nil
	}
	return key.Seal([]byte(text), place)
}

// unix is 0 for no time.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return millis(t)
}

func addPeerRow(tx *store.Tx, id string) error {
	_, err := tx.Exec(`INSERT INTO exchange_peer (id, fetched, fetched_at, failed_at, failure, skew, quarantined)
		VALUES ($1, 0, 0, 0, '', 0, 0) ON CONFLICT (id) DO NOTHING`, id)
	return err
}

// SetLinkState moves a link on. To LinkGone only EndLink leads. On LinkLeaving the
// neighbour is told that none of our participants can be reached any more.
func (n *Node) SetLinkState(tx *store.Tx, id string, s LinkState) error {
	if s == LinkGone {
		return errors.New("exchange: a link ends by EndLink")
	}
	now := n.clock.Now()
	var oid string
	if err := tx.Row(`UPDATE exchange_link SET stage = $2, stage_at = $3 WHERE id = $1 RETURNING oid`, id, string(s), millis(now)).Scan(&oid); err != nil {
		return err
	}
	tx.Notify(TopicLinks)
	if s != LinkLeaving {
		return nil
	}
	for _, p := range n.registry.Load().local {
		if p.self {
			continue
		}
		update := ucri.AvailabilityUpdate{ID: p.rec.ID, Status: ucri.StatusOffline}.Payload()
		if err := n.putOwn(tx, oid, update, nil, availabilityTimeout, now); err != nil {
			return err
		}
	}
	return nil
}

// AcceptCertificate lets a link's peer show a certificate; confirmed by nobody it
// counts before go-live only. A removed one is accepted anew.
func (n *Node) AcceptCertificate(tx *store.Tx, link, fingerprint, by, confirmedBy string) error {
	now := millis(n.clock.Now())
	var others int64
	if err := tx.Row(`SELECT COUNT(*) FROM exchange_link_certificate c JOIN exchange_link l ON l.id = c.link
		WHERE c.fingerprint = $1 AND c.link <> $2 AND c.removed_at = 0 AND l.stage <> 'gone'`, fingerprint, link).Scan(&others); err != nil {
		return err
	}
	if others > 0 {
		return problem.New("exchange.AcceptCertificate", problem.Conflict, "exchange.link.certificate_taken", nil)
	}
	var at int64
	if confirmedBy != "" {
		at = now
	}
	if _, err := tx.Exec(`INSERT INTO exchange_link_certificate
		(link, fingerprint, added_by, added_at, confirmed_by, confirmed_at, removed_by, removed_at, seen_at, not_after)
		VALUES ($1, $2, $3, $4, $5, $6, '', 0, 0, 0)
		ON CONFLICT (link, fingerprint) DO UPDATE SET removed_by = '', removed_at = 0, confirmed_by = excluded.confirmed_by,
			confirmed_at = excluded.confirmed_at, added_by = excluded.added_by, added_at = excluded.added_at`,
		link, fingerprint, by, now, confirmedBy, at); err != nil {
		return err
	}
	tx.Notify(TopicLinks)
	return nil
}

// ConfirmCertificates is the second person's yes to what others added to a link;
// fingerprint "" means all of them. It returns how many.
func (n *Node) ConfirmCertificates(tx *store.Tx, link, fingerprint, by string) (int64, error) {
	rows, err := tx.Exec(`UPDATE exchange_link_certificate SET confirmed_by = $3, confirmed_at = $4
		WHERE link = $1 AND (fingerprint = $2 OR $2 = '') AND confirmed_at = 0 AND removed_at = 0`, link, fingerprint, by, millis(n.clock.Now()))
	tx.Notify(TopicLinks)
	return rows, err
}

// RemoveCertificate revokes one here, whoever signed it. Connections on which it
// was shown are of no use from the next request on.
func (n *Node) RemoveCertificate(tx *store.Tx, link, fingerprint, by string) error {
	rows, err := tx.Exec(`UPDATE exchange_link_certificate SET removed_by = $3, removed_at = $4
		WHERE link = $1 AND fingerprint = $2 AND removed_at = 0`, link, fingerprint, by, millis(n.clock.Now()))
	if err != nil {
		return err
	}
	if rows == 0 {
		return store.ErrNoRows
	}
	tx.Notify(TopicLinks)
	return nil
}

// LinkWaiting counts what the link's peer has not got yet, messages of ours and
// of the node itself.
func LinkWaiting(tx *store.Tx, id string) (messages, own int64, err error) {
	err = tx.Row(`SELECT COALESCE(SUM(CASE WHEN origin = 'client' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN origin <> 'client' THEN 1 ELSE 0 END), 0)
		FROM exchange_message WHERE state = 'outgoing' AND peer = $1`, id).Scan(&messages, &own)
	return messages, own, err
}

// EndLink forgets a leaving neighbour: its account, its participants and what it
// had not got. Messages that still wait end with the receipt "refused", which a
// person has to have decided; while one is on its way nobody knows its outcome,
// and EndLink refuses.
func (n *Node) EndLink(tx *store.Tx, id string, discard bool) error {
	const op = "exchange.EndLink"
	now := n.clock.Now()
	waiting, _, err := LinkWaiting(tx, id)
	if err != nil {
		return err
	}
	if waiting > 0 && !discard {
		return problem.New(op, problem.Conflict, "exchange.link.waiting", i18n.Args{"n": waiting})
	}
	rows, err := tx.Query(`SELECT id FROM exchange_message WHERE state = 'outgoing' AND peer = $1 ORDER BY id`, id)
	if err != nil {
		return err
	}
	var ids []int64
	for rows.Next() {
		var m int64
		if err := rows.Scan(&m); err != nil {
			rows.Close()
			return err
		}
		ids = append(ids, m)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	for _, m := range ids {
		if !n.withdrawals.ask(m, millis(now)) {
			return problem.New(op, problem.Conflict, "exchange.link.sending", nil)
		}
		if err := n.discard(tx, m, now); err != nil {
			return err
		}
	}
	for _, q := range []string{
		// First the row that everybody who writes of the peer has to meet.
		`DELETE FROM exchange_peer WHERE id = $1`,
		`DELETE FROM exchange_outbox WHERE peer = $1`,
		`DELETE FROM exchange_participant WHERE peer = $1`,
		`DELETE FROM exchange_link_change WHERE link = $1`,
	} {
		if _, err := tx.Exec(q, id); err != nil {
			return err
		}
	}
	var key int64
	if err := tx.Row(`UPDATE exchange_link SET stage = 'gone', stage_at = $2 WHERE id = $1 AND stage <> 'gone' RETURNING key_id`, id, millis(now)).Scan(&key); err != nil {
		return err
	}
	if err := n.ring.Destroy(tx, key); err != nil { // the passwords
		return err
	}
	tx.Notify(TopicLinks)
	tx.Notify(topicRegistry)
	tx.Notify(TopicReceipt)
	return nil
}

// discard takes a message back as Withdraw does and tells its sender.
func (n *Node) discard(tx *store.Tx, id int64, now time.Time) error {
	rows, err := tx.Query(`UPDATE exchange_message SET state = 'refused', ended_at = $2, cause = '`+causeWithdrawn+`',
		status = CASE WHEN origin = 'client' AND ack <> 'NONE' THEN 502 ELSE status END
		WHERE id = $1 AND state = 'outgoing' RETURNING `+endedColumns, id, millis(now))
	if err != nil {
		return err
	}
	done, err := n.scanEnded(rows)
	if err != nil {
		return err
	}
	for _, e := range done {
		n.wakeDesk(tx, TopicReceipt, e.source)
		if e.origin == fromClient {
			if err := n.audit.Append(tx, audit.Event{Action: "exchange.discarded", Actor: short(e.source), Object: e.messageID}); err != nil {
				return err
			}
		}
		if e.origin != fromClient || e.ack == ucri.AckNone {
			continue
		}
		s := ucri.DeliveryStatus{StatusCode: ucri.Refused, StatusMessage: n.text("exchange.status.left", nil),
			Cause: &ucri.ErrorBody{Code: ucri.CodeUnknownOID, Reason: n.text("exchange.status.left", nil)}}
		if err := n.putStatus(tx, e, s, now); err != nil {
			return err
		}
	}
	return nil
}

// noteEvery is how exactly is written down when a connected peer did something.
const (
	noteEveryTrial = 2 * time.Second
	noteEvery      = time.Minute
)

// notes is when something of a peer was last written down on this instance.
type notes struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (x *notes) due(what string, every time.Duration) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if time.Since(x.last[what]) < every {
		return false
	}
	if x.last == nil {
		x.last = map[string]time.Time{}
	}
	x.last[what] = time.Now()
	return true
}

// Columns of exchange_link for noteCall.
const (
	noteSignIn   = "signed_in_at"
	noteRegister = "register_at"
	noteMessage  = "message_at"
)

// noteCall writes down that a connected peer called us; shown is its certificate.
func (n *Node) noteCall(a *account, column string, shown []*x509.Certificate) {
	p := n.peers().byID[a.peer]
	if a.peer == "" || p == nil {
		return
	}
	every := noteEvery
	if p.state.Trial() {
		every = noteEveryTrial
	}
	if p.noted.due(column, every) {
		n.db.WriteLater(func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE exchange_link SET `+column+` = $2 WHERE id = $1`, p.ID, millis(n.clock.Now()))
			return err
		}, nil)
	}
	if len(shown) > 0 {
		n.noteCertificate(p, shown[0], every)
	}
}

// noteCertificate keeps the end of a certificate, so that people are warned.
func (n *Node) noteCertificate(p *peer, c *x509.Certificate, every time.Duration) {
	fp := Fingerprint(c)
	if !p.accepted[fp] || !p.noted.due(fp, every) {
		return
	}
	n.db.WriteLater(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE exchange_link_certificate SET seen_at = $3, not_after = $4 WHERE link = $1 AND fingerprint = $2`,
			p.ID, fp, millis(n.clock.Now()), millis(c.NotAfter))
		return err
	}, nil)
}

// NewSecret is a password for a neighbour's node that can be read out over the
// telephone: 100 bits in five groups of letters and digits that are not mistaken
// for each other.
func NewSecret() string {
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	raw := make([]byte, 20)
	rand.Read(raw)
	var b strings.Builder
	for i, x := range raw {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(letters[int(x)%len(letters)])
	}
	return b.String()
}

// newPeer builds one peer; complete fills in what is not of the configuration
// before the client is made.
func newPeer(cfg Config, c Peer, sec *security, version string, complete func(*peer)) (*peer, error) {
	p := &peer{
		Peer: c, state: LinkLive, slots: make(chan struct{}, perPeer), rate: newLimiter(cfg.Limits),
		noted: &notes{}, back: make(chan struct{}),
	}
	if complete != nil {
		complete(p)
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("exchange: peer %s: %w", c.ID, err)
	}
	conf := ucrmclient.Config{
		BaseURL: c.BaseURL, Username: c.Username, Password: c.Password,
		TLS: sec.dial(), PeerOID: c.OID, UserAgent: "trojmezi/" + version, Timeout: sendTimeout,
	}
	if sec != nil {
		conf.Verify = verifyPeer(sec, p, u.Hostname())
	}
	if p.client, err = ucrmclient.New(conf); err != nil {
		return nil, fmt.Errorf("exchange: peer %s: %w", c.ID, err)
	}
	return p, nil
}
