// Command schemas checks packaging/container by what its readers publish: the Compose file by
// the Compose Specification's JSON schema, which compose-go has, and the Kubernetes manifest
// by the types of Kubernetes' API, which know every field. Neither Docker nor Kubernetes runs
// in the lab. (Podman does: its own generator reads the quadlet, in TestPodman.)
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/schema"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// where the files are, seen from this module.
const where = "../../packaging/container"

func main() {
	if err := errors.Join(compose(filepath.Join(where, "compose.yaml")), kubernetes(filepath.Join(where, "kubernetes.yaml"))); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

// compose validates a Compose file.
func compose(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file map[string]any
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := schema.Validate(file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// kubernetes validates a manifest: each document has the fields of its kind, and no others.
func kubernetes(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var found int
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var kind struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		var object any
		switch kind.APIVersion + " " + kind.Kind {
		case "v1 PersistentVolumeClaim":
			object = new(core.PersistentVolumeClaim)
		case "apps/v1 Deployment":
			object = new(apps.Deployment)
		default:
			return fmt.Errorf("%s: %s %s is not known here", path, kind.APIVersion, kind.Kind)
		}
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			return fmt.Errorf("%s: %s: %w", path, kind.Kind, err)
		}
		if d, ok := object.(*apps.Deployment); ok {
			if err := consistent(d); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("%s: %w", path, io.ErrUnexpectedEOF)
	}
	return nil
}

// consistent is what the API server refuses although every field is known: a selector that
// does not match its pod, and a mount without its volume.
func consistent(d *apps.Deployment) error {
	for key, value := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[key] != value {
			return fmt.Errorf("the selector %s=%s does not match the pod", key, value)
		}
	}
	volumes := map[string]bool{}
	for _, v := range d.Spec.Template.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				return fmt.Errorf("container %s mounts %s, which is not a volume of the pod", c.Name, m.Name)
			}
		}
	}
	return nil
}
