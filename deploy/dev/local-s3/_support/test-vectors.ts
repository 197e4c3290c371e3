/** Policies whose signatures are known from elsewhere; all with AWS's example credential. */

/** Lines end in CRLF. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html */
export const V1_POLICY_BASE64 = Buffer.from(
  [
    '{ "expiration": "2015-12-30T12:00:00.000Z",',
    '  "conditions": [',
    '    {"bucket": "sigv4examplebucket"},',
    '    ["starts-with", "$key", "user/user1/"],',
    '    {"acl": "public-read"},',
    '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},',
    '    ["starts-with", "$Content-Type", "image/"],',
    '    {"x-amz-meta-uuid": "14365123651274"},',
    '    {"x-amz-server-side-encryption": "AES256"},',
    '    ["starts-with", "$x-amz-meta-tag", ""],',
    '',
    '    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},',
    '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
    '    {"x-amz-date": "20151229T000000Z" }',
    '  ]',
    '}',
  ].join('\r\n'),
).toString('base64');

/** botocore's `generate_presigned_post("sigv4examplebucket", "user/user1/photo.jpg")` at 2015-12-29. */
export const V2_POLICY =
  '{"expiration": "2015-12-29T01:00:00Z", "conditions": [{"bucket": "sigv4examplebucket"}, {"key": "user/user1/photo.jpg"}, {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"}, {"x-amz-date": "20151229T000000Z"}]}';

export const V3_KEY =
  'customers/sekai/background-image-gen/output-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.jpg';

/** Shaped as this project's uploads; signed with node:crypto and with Python's hmac, which agree. */
export const V3_POLICY = `{"expiration":"2026-01-02T03:14:05.000Z","conditions":[{"bucket":"customers-sekai-background-image-gen"},{"key":"${V3_KEY}"},{"acl":"private"},{"Content-Type":"image/jpeg"},{"success_action_status":"201"},{"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-credential":"AKIAIOSFODNN7EXAMPLE/20260102/ap-northeast-1/s3/aws4_request"},{"x-amz-date":"20260102T030405Z"},{"x-amz-security-token":"FQoDYXdzEXAMPLETOKEN=="},["content-length-range",1234,1234]]}`;
