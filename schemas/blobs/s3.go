package blobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// partSize is how much of a blob S3 gets at once, and so what a blob that is
// being written takes of memory: the least that S3 allows.
const partSize = 5 << 20

// S3 keeps blobs in a bucket of S3, or of what speaks its protocol.
type S3 struct {
	client *minio.Client
	bucket string
	prefix string // before each name; empty or with a slash at its end
}

// OpenS3 reads s3://[KEY:SECRET@]BUCKET[/PREFIX][?endpoint=URL&region=R]. It
// does no I/O. Without an endpoint it is AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL
// or Amazon's own; a region that is not given is AWS_REGION or found out. A key
// that is not in the URL is AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, the
// shared credentials file, or the machine's own role. Errors hold no key.
func OpenS3(address string) (*S3, error) {
	const form = "write it like s3://BUCKET/PREFIX?endpoint=https://s3.example.com"
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, errors.New("the blob store's URL cannot be read: " + form)
	}
	query := u.Query()
	for name := range query {
		if name != "endpoint" && name != "region" {
			return nil, fmt.Errorf("the blob store's URL has a parameter %q that is not known: %s", name, form)
		}
	}
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	endpoint := first(query.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	at, err := url.Parse(endpoint)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, errors.New("the blob store's endpoint is no http:// or https:// address: " + form)
	}
	keys := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
	})
	if u.User != nil {
		secret, _ := u.User.Password()
		keys = credentials.NewStaticV4(u.User.Username(), secret, "")
	}
	client, err := minio.New(at.Host, &minio.Options{
		Creds: keys, Secure: at.Scheme == "https", Region: first(query.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
	})
	if err != nil {
		return nil, fmt.Errorf("opening the blob store: %w", err)
	}
	s := &S3{client: client, bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	if s.prefix != "" {
		s.prefix += "/"
	}
	return s, nil
}

// Create begins an upload. S3 has the object when the upload is completed, and
// nothing before.
func (s *S3) Create(ctx context.Context, name string) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	from, to := io.Pipe()
	w := &s3Writer{pipe: to, cancel: cancel, done: make(chan error, 1)}
	go func() {
		_, err := s.client.PutObject(ctx, s.bucket, s.prefix+name, from, -1, minio.PutObjectOptions{
			PartSize: partSize, ContentType: "application/octet-stream",
		})
		if err != nil {
			err = fmt.Errorf("keeping a blob: %w", err)
		}
		_ = from.CloseWithError(err) // a Write that waits, or comes later, fails with it
		w.done <- err
	}()
	return w, nil
}

type s3Writer struct {
	pipe   *io.PipeWriter
	cancel context.CancelFunc
	done   chan error // holds one
	ended  bool
}

func (w *s3Writer) Write(b []byte) (int, error) { return w.pipe.Write(b) }

func (w *s3Writer) Commit() error {
	w.ended = true
	_ = w.pipe.Close() // is never an error
	err := <-w.done
	w.cancel()
	return err
}

// errGivenUp ends an upload.
var errGivenUp = errors.New("the blob was given up")

func (w *s3Writer) Abort() {
	if w.ended {
		return
	}
	w.ended = true
	_ = w.pipe.CloseWithError(errGivenUp) // the client gives the upload up
	<-w.done
	w.cancel()
}

// Open asks for a part of an object.
func (s *S3) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	var options minio.GetObjectOptions
	switch {
	case length == 0:
		if _, err := s.client.StatObject(ctx, s.bucket, s.prefix+name, minio.StatObjectOptions{}); err != nil {
			return nil, s.opening(name, err)
		}
		return http.NoBody, nil
	case length > 0:
		if err := options.SetRange(offset, offset+length-1); err != nil {
			return nil, fmt.Errorf("opening blob %s: %w", name, err)
		}
	case offset > 0:
		if err := options.SetRange(offset, 0); err != nil {
			return nil, fmt.Errorf("opening blob %s: %w", name, err)
		}
	}
	// The client's own object would ask again for every seek and read.
	body, _, _, err := (&minio.Core{Client: s.client}).GetObject(ctx, s.bucket, s.prefix+name, options)
	if minio.ToErrorResponse(err).Code == "InvalidRange" {
		return http.NoBody, nil // nothing is there from offset on
	}
	if err != nil {
		return nil, s.opening(name, err)
	}
	return body, nil
}

func (s *S3) opening(name string, err error) error {
	if minio.ToErrorResponse(err).Code == "NoSuchKey" {
		err = ErrNotFound
	}
	return fmt.Errorf("opening blob %s: %w", name, err)
}

// List pages through the bucket.
func (s *S3) List(ctx context.Context, each func(Info) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
		if object.Err != nil {
			return fmt.Errorf("listing blobs: %w", object.Err)
		}
		name := strings.TrimPrefix(object.Key, s.prefix)
		if checkName(name) != nil {
			continue // somebody else's
		}
		if err := each(Info{Name: name, Size: object.Size, Modified: object.LastModified}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Remove removes an object.
func (s *S3) Remove(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}); err != nil && minio.ToErrorResponse(err).Code != "NoSuchKey" {
		return fmt.Errorf("removing blob %s: %w", name, err)
	}
	return nil
}

// Tidy gives up uploads that were begun and never completed, which S3 would
// keep, and charge for, for ever.
func (s *S3) Tidy(ctx context.Context, before time.Time) error {
	core := &minio.Core{Client: s.client}
	for upload := range s.client.ListIncompleteUploads(ctx, s.bucket, s.prefix, true) {
		if upload.Err != nil {
			return fmt.Errorf("tidying up blobs: %w", upload.Err)
		}
		if !upload.Initiated.Before(before) {
			continue
		}
		if err := core.AbortMultipartUpload(ctx, s.bucket, upload.Key, upload.UploadID); err != nil && minio.ToErrorResponse(err).Code != "NoSuchUpload" {
			return fmt.Errorf("tidying up blobs: %w", err)
		}
	}
	return ctx.Err()
}

// Buffered is the memory, in bytes, of one blob that is being written.
func (s *S3) Buffered() int { return partSize }

// Check writes an object, reads it and removes it.
func (s *S3) Check(ctx context.Context) error { return check(ctx, s) }
