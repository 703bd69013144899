package exchange

import (
	"cmp"
	"errors"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/store"
)

// LinkChange is what people want to be different of a link in use. It counts when
// a second person has said yes; what is empty stays as it is.
type LinkChange struct {
	BaseURL    string // where their node is reached
	Password   string // of our account there
	Secret     string // of theirs here
	ProposedBy string
	ProposedAt time.Time
}

// With is the link as the change makes it. The password that the neighbour uses now
// stays good beside a new one.
func (l Link) With(c LinkChange) Link {
	l.BaseURL, l.Password = cmp.Or(c.BaseURL, l.BaseURL), cmp.Or(c.Password, l.Password)
	if c.Secret != "" {
		l.OldSecret, l.Secret = cmp.Or(l.OldSecret, l.Secret), c.Secret
	}
	return l
}

// PutLinkChange stores what is proposed, in the place of what was proposed before.
// The caller has asked LinkFaults of With and writes the audit record.
func (n *Node) PutLinkChange(tx *store.Tx, link string, c LinkChange) error {
	key, err := n.ring.Key(tx, "exchange.link:"+link)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO exchange_link_change (link, base_url, password, secret, key_id, proposed_by, proposed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (link) DO UPDATE SET base_url = excluded.base_url, password = excluded.password, secret = excluded.secret,
			key_id = excluded.key_id, proposed_by = excluded.proposed_by, proposed_at = excluded.proposed_at`,
		link, c.BaseURL, sealText(key, c.Password, linkPlace(link, "next_password")), sealText(key, c.Secret, linkPlace(link, "next_secret")),
		key.ID(), c.ProposedBy, unix(c.ProposedAt))
	return err
}

// LinkChange returns what is proposed for a link; store.ErrNoRows when nothing is.
func (n *Node) LinkChange(tx *store.Tx, link string) (c LinkChange, err error) {
	var password, secret []byte
	var keyID, at int64
	if err := tx.Row(`SELECT base_url, password, secret, key_id, proposed_by, proposed_at FROM exchange_link_change WHERE link = $1`, link).
		Scan(&c.BaseURL, &password, &secret, &keyID, &c.ProposedBy, &at); err != nil {
		return LinkChange{}, err
	}
	c.ProposedAt = moment(at)
	key, err := n.ring.Lookup(tx, keyID)
	if err != nil {
		return LinkChange{}, err
	}
	return c, openColumns(key, link, map[string]sealedColumn{"next_password": {password, &c.Password}, "next_secret": {secret, &c.Secret}})
}

// DropLinkChange forgets what is proposed for a link.
func (n *Node) DropLinkChange(tx *store.Tx, link string) error {
	_, err := tx.Exec(`DELETE FROM exchange_link_change WHERE link = $1`, link)
	return err
}

// TakeLinkChange makes a link what was proposed. What waits for the neighbour goes
// on over the new line where the old one stopped: messages belong to the link, and
// one whose outcome there nobody knows is offered again under the same id.
func (n *Node) TakeLinkChange(tx *store.Tx, l Link, c LinkChange) error {
	if err := n.PutLink(tx, l.With(c)); err != nil {
		return err
	}
	return n.DropLinkChange(tx, l.ID)
}

// noteSecret ends a neighbour's password of before when it has signed in with the
// one that took its place.
func (n *Node) noteSecret(a *account, password string) {
	if a.before == "" || !equal(a.Password, password) {
		return
	}
	n.db.WriteLater(func(tx *store.Tx) error {
		l, err := n.Link(tx, a.peer)
		// Another may have been made meanwhile, which it does not know yet.
		if errors.Is(err, store.ErrNoRows) || err == nil && (l.OldSecret == "" || !equal(l.Secret, password)) {
			return nil
		}
		if err != nil {
			return err
		}
		l.OldSecret = ""
		if err := n.PutLink(tx, l); err != nil {
			return err
		}
		return n.audit.Append(tx, audit.Event{Action: "exchange.secret.used", Actor: a.Username, Object: a.peer})
	}, nil)
}
