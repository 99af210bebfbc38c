// Gets a token with the AWS SDK's own signer, calls an API with it, and prints what the API answers:
//
//	go mod tidy    # once: it writes go.sum and the indirect requirements
//	go run . ISSUER_URL AUDIENCE API_URL
//
// Credentials come from the SDK's default chain (environment, profiles, SSO, containers, instances).
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// An API Gateway host name holds the region to sign for. A domain of your own does not.
var gateway = regexp.MustCompile(`\.execute-api\.([a-z0-9-]+)\.amazonaws\.`)

// Neither a signed request nor a token goes anywhere else than where it was sent.
var client = &http.Client{
	Timeout: 10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

// Token is what the issuer answers. Keep it, and ask for the next one when a fifth of ExpiresIn is left.
type Token struct {
	Value     string `json:"token"`
	ExpiresIn int    `json:"expires_in"`
}

// Ask gets a token. The configuration keeps its credentials, and renews those that expire: load it once.
func Ask(ctx context.Context, cfg aws.Config, issuer, audience string) (Token, error) {
	var token Token
	body, err := json.Marshal(map[string]string{"audience": audience})
	if err != nil {
		return token, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, issuer+"/token", bytes.NewReader(body))
	if err != nil {
		return token, err
	}
	request.Header.Set("Content-Type", "application/json")

	region := cfg.Region
	if found := gateway.FindStringSubmatch(issuer); found != nil {
		region = found[1]
	} else if region == "" {
		region = "us-east-1"
	}
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return token, fmt.Errorf("no AWS credentials: %w", err)
	}
	hash := sha256.Sum256(body)
	hashed := hex.EncodeToString(hash[:])
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hashed, "execute-api", region, time.Now()); err != nil {
		return token, err
	}
	answer, err := send(request)
	if err != nil {
		return token, fmt.Errorf("no token: %w", err)
	}
	if err := json.Unmarshal(answer, &token); err != nil || token.Value == "" {
		return token, errors.New("no token in the answer: is it the issuer's URL?")
	}
	return token, nil
}

// Whoami asks an API who this token says that we are.
func Whoami(ctx context.Context, api string, token Token) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/whoami", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+token.Value)
	answer, err := send(request)
	if err != nil {
		return "", fmt.Errorf("the API: %w", err)
	}
	return string(answer), nil
}

// send gives the body of a 200. Every other answer is an error with its body.
func send(request *http.Request) ([]byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d: %s", response.StatusCode, body)
	}
	return body, nil
}

func run(ctx context.Context, issuer, audience, api string) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	token, err := Ask(ctx, cfg, issuer, audience)
	if err != nil {
		return err
	}
	answer, err := Whoami(ctx, api, token)
	if err != nil {
		return err
	}
	fmt.Println(answer)
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: whoami ISSUER_URL AUDIENCE API_URL")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
