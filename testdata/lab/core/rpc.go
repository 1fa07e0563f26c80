package core

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxLine bounds one line of the core: a message's text, a list of contacts.
const maxLine = 64 << 20

var errCoreGone = errors.New("the core has ended")

// An rpc is a JSON-RPC 2.0 connection with a line for each message
// (https://www.jsonrpc.org/specification).
type rpc struct {
	mu     sync.Mutex
	in     io.Writer
	nextID uint64
	calls  map[uint64]chan response
	gone   bool
}

type request struct {
	Version string `json:"jsonrpc"`
	ID      uint64 `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

type response struct {
	ID     uint64          `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func newRPC(in io.Writer) *rpc { return &rpc{in: in, calls: map[uint64]chan response{}} }

// read hands out the answers until the stream ends; then all calls fail.
func (r *rpc) read(out io.Reader) {
	s := bufio.NewScanner(out)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		var res response
		if err := json.Unmarshal(s.Bytes(), &res); err != nil {
			break
		}
		r.mu.Lock()
		waiting := r.calls[res.ID]
		delete(r.calls, res.ID)
		r.mu.Unlock()
		if waiting != nil {
			waiting <- res
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
	for id, waiting := range r.calls {
		close(waiting)
		delete(r.calls, id)
	}
}

// call calls a method with parameters by position. The result goes to where
// result points to; nil drops it.
func (r *rpc) call(ctx context.Context, result any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	waiting := make(chan response, 1)
	r.mu.Lock()
	r.nextID++
	id := r.nextID
	line, err := json.Marshal(request{"2.0", id, method, params})
	switch {
	case err != nil:
	case r.gone:
		err = errCoreGone
	default:
		r.calls[id] = waiting
		_, err = r.in.Write(append(line, '\n'))
	}
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case res, ok := <-waiting:
		switch {
		case !ok:
			return fmt.Errorf("%s: %w", method, errCoreGone)
		case res.Error != nil:
			return fmt.Errorf("%s: the core says: %s", method, res.Error.Message)
		case result != nil:
			if err := json.Unmarshal(res.Result, result); err != nil {
				return fmt.Errorf("%s: %w", method, err)
			}
		}
		return nil
	case <-ctx.Done():
		r.mu.Lock()
		delete(r.calls, id)
		r.mu.Unlock()
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}
