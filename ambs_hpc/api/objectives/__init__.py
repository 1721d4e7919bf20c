"""What people are told of campaigns with several objectives or constraints."""
