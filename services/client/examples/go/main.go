// Generates one image: go run . 127.0.0.1:50051 "a lighthouse at dusk" lighthouse.jpg
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // makes the details of a status readable
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "example.com/sekai-image/gen/sekai/image/v1"
)

// generate returns the file and what is known about it.
func generate(ctx context.Context, client pb.ImageGenerationServiceClient, prompt string) ([]byte, *pb.GenerationResult, error) {
	width, height := uint32(512), uint32(320)
	stream, err := client.GenerateImage(ctx, &pb.GenerateImageRequest{Prompt: prompt, Width: &width, Height: &height})
	if err != nil {
		return nil, nil, err
	}
	var header *pb.ImageHeader
	var result *pb.GenerationResult
	var data []byte
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		switch event := response.Event.(type) {
		case *pb.GenerateImageResponse_Accepted:
			fmt.Printf("accepted by %s, seed %d\n", event.Accepted.Engine, event.Accepted.Parameters.Seed)
		case *pb.GenerateImageResponse_Progress:
			stage := strings.TrimPrefix(event.Progress.Stage.String(), "GENERATION_STAGE_")
			fmt.Printf("%3.0f%% %s\n", event.Progress.GetFraction()*100, strings.ToLower(stage))
		case *pb.GenerateImageResponse_Header:
			header = event.Header
		case *pb.GenerateImageResponse_Chunk:
			if event.Chunk.Offset != uint64(len(data)) {
				return nil, nil, fmt.Errorf("chunk at %d, expected %d", event.Chunk.Offset, len(data))
			}
			data = append(data, event.Chunk.Data...)
		case *pb.GenerateImageResponse_Result:
			result = event.Result
		}
	}
	// OK without a result never happens; a proxy in between could still cut a stream short.
	digest := sha256.Sum256(data)
	if header == nil || result == nil || !bytes.Equal(digest[:], header.Sha256) {
		return nil, nil, errors.New("the stream is not complete")
	}
	return data, result, nil
}

func run(target, prompt, path string) error {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	data, result, err := generate(ctx, pb.NewImageGenerationServiceClient(connection), prompt)
	if err != nil {
		// google.rpc.ErrorInfo, BadRequest with every fault of the request, RetryInfo.
		for _, detail := range status.Convert(err).Details() {
			fmt.Fprintf(os.Stderr, "%T: %v\n", detail, detail)
		}
		return err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, image hash %s, %s %s\n", path, len(data), result.ImageHash, result.Archive.State, result.Archive.Key)
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go run . <address> <prompt> <file>")
		os.Exit(64)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
