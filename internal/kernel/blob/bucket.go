package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"trojmezi/internal/kernel/clock"
)

// BucketConfig says where the bucket is. It must exist: making and guarding it
// is the operator's business.
type BucketConfig struct {
	Endpoint  string // host[:port]
	Bucket    string
	Prefix    string // before every name, so that nodes may share a bucket; "" or "node-a/"
	Region    string // "" where the server has none
	AccessKey string
	SecretKey string
	Plain     bool // HTTP instead of HTTPS: for a server on the same machine only
	// Spool is the folder in which bytes are gathered until their hash, which is
	// their name, is known; "": the system's.
	Spool string
	// Transport carries the requests; nil: the library's own.
	Transport http.RoundTripper
}

// putHeader holds the time of the last Put, in milliseconds: ours and not the
// server's, so that a grace is measured with one clock.
const putHeader = "Put-Ms"

// bucketTimeout ends a request about a name; bodies have no limit of their own.
const bucketTimeout = 30 * time.Second

// Bucket is a store in an S3-compatible object storage, for nodes of several
// instances. It is safe for concurrent use. Between a look at the time of the
// last Put and the deletion, another instance may put the same bytes again;
// sweepers therefore run on one instance at a time (store.DB.Lead).
type Bucket struct {
	client *minio.Client
	cfg    BucketConfig
	clk    *clock.Clock

	mu sync.Mutex // a Put of present bytes and their Delete exclude each other
}

// OpenBucket returns the store after it has seen the bucket.
func OpenBucket(ctx context.Context, cfg BucketConfig, clk *clock.Clock) (*Bucket, error) {
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: !cfg.Plain, Region: cfg.Region, Transport: cfg.Transport,
	})
	if err != nil {
		return nil, fmt.Errorf("blob.OpenBucket: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	ok, err := client.BucketExists(ctx, cfg.Bucket)
	if err != nil {
		return nil, fmt.Errorf("blob.OpenBucket: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("blob.OpenBucket: no bucket %q: %w", cfg.Bucket, fs.ErrNotExist)
	}
	return &Bucket{client: client, cfg: cfg, clk: clk}, nil
}

func (b *Bucket) name(ref Ref) string {
	_, file := place(ref)
	return b.cfg.Prefix + file
}

// Put is as Dir.Put: the server has answered that it holds the bytes.
func (b *Bucket) Put(ctx context.Context, r io.Reader) (Ref, error) {
	ref, err := b.put(ctx, r)
	if err != nil {
		return Ref{}, fmt.Errorf("blob.Put: %w", err)
	}
	return ref, nil
}

func (b *Bucket) put(ctx context.Context, r io.Reader) (Ref, error) {
	spool, err := os.CreateTemp(b.cfg.Spool, "blob-*")
	if err != nil {
		return Ref{}, err
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(spool, h), contextReader{ctx, r})
	if err != nil {
		return Ref{}, err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return Ref{}, err
	}
	ref := Ref(h.Sum(nil))
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err = b.client.PutObject(ctx, b.cfg.Bucket, b.name(ref), spool, size, minio.PutObjectOptions{
		ContentType:  "application/octet-stream",
		UserMetadata: map[string]string{putHeader: strconv.FormatInt(b.clk.Now().UnixMilli(), 10)},
	})
	return ref, err
}

// Open is as Dir.Open.
func (b *Bucket) Open(ref Ref) (io.ReadCloser, error) {
	o, err := b.object(ref)
	if err != nil {
		return nil, fmt.Errorf("blob.Open: %w", err)
	}
	return &verifier{f: o, h: sha256.New(), want: ref}, nil
}

// OpenSeek is as Dir.OpenSeek.
func (b *Bucket) OpenSeek(ref Ref) (io.ReadSeekCloser, error) {
	o, err := b.object(ref)
	if err != nil {
		return nil, fmt.Errorf("blob.OpenSeek: %w", err)
	}
	return o, nil
}

// object asks for the bytes at once, so that missing ones are known now. The
// request ends with Close.
func (b *Bucket) object(ref Ref) (*minio.Object, error) {
	o, err := b.client.GetObject(context.Background(), b.cfg.Bucket, b.name(ref), minio.GetObjectOptions{})
	if err != nil {
		return nil, absentOr(err)
	}
	if _, err := o.Stat(); err != nil {
		o.Close()
		return nil, absentOr(err)
	}
	return o, nil
}

// absentOr turns the server's answer for a missing name into fs.ErrNotExist.
func absentOr(err error) error {
	if answer := minio.ToErrorResponse(err); answer.Code == minio.NoSuchKey || answer.StatusCode == http.StatusNotFound && answer.Code != minio.NoSuchBucket {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}

// Stat is as Dir.Stat.
func (b *Bucket) Stat(ref Ref) (Info, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bucketTimeout)
	defer cancel()
	info, err := b.stat(ctx, ref)
	if err != nil {
		return Info{}, fmt.Errorf("blob.Stat: %w", err)
	}
	return info, nil
}

func (b *Bucket) stat(ctx context.Context, ref Ref) (Info, error) {
	o, err := b.client.StatObject(ctx, b.cfg.Bucket, b.name(ref), minio.StatObjectOptions{})
	if err != nil {
		return Info{}, absentOr(err)
	}
	at := o.LastModified.UTC() // of what somebody else put there
	for name, value := range o.UserMetadata {
		if strings.EqualFold(name, putHeader) {
			if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
				at = time.UnixMilli(ms).UTC()
			}
		}
	}
	return Info{Size: o.Size, Put: at}, nil
}

// Delete is as Dir.Delete.
func (b *Bucket) Delete(ref Ref, grace time.Duration) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), bucketTimeout)
	defer cancel()
	info, err := b.stat(ctx, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("blob.Delete: %w", err)
	}
	if grace > 0 && b.clk.Now().Sub(info.Put) < grace {
		return false, nil
	}
	if err := b.client.RemoveObject(ctx, b.cfg.Bucket, b.name(ref), minio.RemoveObjectOptions{}); err != nil {
		return false, fmt.Errorf("blob.Delete: %w", err)
	}
	return true, nil
}

// Walk is as Dir.Walk. It asks the server for each name's time.
func (b *Bucket) Walk(ctx context.Context, grace time.Duration, f func(Ref, Info) error) error {
	if err := b.walk(ctx, grace, f); err != nil {
		return fmt.Errorf("blob.Walk: %w", err)
	}
	return nil
}

func (b *Bucket) walk(ctx context.Context, grace time.Duration, f func(Ref, Info) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when f has enough
	defer cancel()
	for o := range b.client.ListObjects(ctx, b.cfg.Bucket, minio.ListObjectsOptions{Prefix: b.cfg.Prefix, Recursive: true}) {
		if err := errors.Join(ctx.Err(), o.Err); err != nil {
			return err
		}
		ref, err := ParseRef(strings.Replace(strings.TrimPrefix(o.Key, b.cfg.Prefix), "/", "", 1))
		if err != nil {
			continue // put there by somebody else; not ours to report or remove
		}
		info, err := b.stat(ctx, ref)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if b.clk.Now().Sub(info.Put) < grace {
			continue
		}
		if err := f(ref, info); err != nil {
			return err
		}
	}
	return ctx.Err()
}
