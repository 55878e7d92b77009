from amazon_tags.files.hashes import sha256, sha256_bytes


def test_a_file_and_its_bytes_have_the_same_hash(old):
    assert sha256(old) == sha256_bytes(b"old")
