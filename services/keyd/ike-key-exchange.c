/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-key-exchange.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define X25519_SIZE 32

DEFINE_CLEANUP(BIGNUM *, BN_clear_free)
DEFINE_CLEANUP(BN_CTX *, BN_CTX_free)
DEFINE_CLEANUP(EC_GROUP *, EC_GROUP_free)
DEFINE_CLEANUP(EC_POINT *, EC_POINT_clear_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

struct group {
	uint16_t id;
	const char *name;
	int curve; /* OpenSSL's number */
	size_t private_size, public_size, shared_size;
	/* A private value from random octets, and the public one that belongs to it. -EAGAIN: other
	 * octets are needed. */
	int (*make)(struct ike_key_exchange *exchange);
	int (*derive)(const struct ike_key_exchange *exchange, const uint8_t *peer_value,
		      uint8_t *shared);
};

struct ike_key_exchange {
	const struct group *group;
	uint8_t private_value[IKE_SHARED_LIMIT];
	uint8_t public_value[IKE_PUBLIC_LIMIT];
	/* X25519: the same for OpenSSL, which computes the public value each time it makes one; so
	 * it is made once. */
	EVP_PKEY *key;
};

static int make_x25519(struct ike_key_exchange *exchange)
{
	size_t size = X25519_SIZE;

	EVP_PKEY_free(exchange->key);
	exchange->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, exchange->private_value,
						     X25519_SIZE);
	return exchange->key && EVP_PKEY_get_raw_public_key(exchange->key, exchange->public_value,
							    &size) == 1
		       ? 0
		       : -EIO;
}

static int derive_x25519(const struct ike_key_exchange *exchange, const uint8_t *peer_value,
			 uint8_t *shared)
{
	static const uint8_t zero[X25519_SIZE];
	cleanup(EVP_PKEY_freep) EVP_PKEY *peer =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer_value, X25519_SIZE);
	cleanup(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(exchange->key, NULL);
	size_t size = X25519_SIZE;

	if (!context || !peer || EVP_PKEY_derive_init(context) != 1 ||
	    EVP_PKEY_derive_set_peer(context, peer) != 1)
		return -EIO;
	/* OpenSSL refuses a result of zero itself; we do not rely on it. */
	if (EVP_PKEY_derive(context, shared, &size) != 1 || size != X25519_SIZE ||
	    !CRYPTO_memcmp(shared, zero, sizeof zero))
		return -EBADMSG;
	return 0;
}

/* A point of the curve. The values on the wire are x and y alone (RFC 5903 §7). */
struct curve {
	EC_GROUP *group;
	EC_POINT *point;
	BIGNUM *x, *y, *scalar;
	BN_CTX *context;
};

static void curve_deinit(struct curve *curve)
{
	EC_POINT_clear_free(curve->point);
	EC_GROUP_free(curve->group);
	BN_clear_free(curve->x);
	BN_clear_free(curve->y);
	BN_clear_free(curve->scalar);
	BN_CTX_free(curve->context);
	ERR_clear_error();
}

static int curve_init(struct curve *curve, const struct group *group, const uint8_t *private_value)
{
	curve->group = EC_GROUP_new_by_curve_name(group->curve);
	curve->point = curve->group ? EC_POINT_new(curve->group) : NULL;
	curve->x = BN_new();
	curve->y = BN_new();
	curve->scalar = BN_secure_new();
	curve->context = BN_CTX_secure_new();
	if (!curve->point || !curve->x || !curve->y || !curve->scalar || !curve->context)
		return -ENOMEM;
	if (!BN_bin2bn(private_value, group->private_size, curve->scalar))
		return -EIO;
	BN_set_flags(curve->scalar, BN_FLG_CONSTTIME);
	/* From 1 to the order of the group minus 1: anything else is drawn again. */
	if (BN_is_zero(curve->scalar) ||
	    BN_cmp(curve->scalar, EC_GROUP_get0_order(curve->group)) >= 0)
		return -EAGAIN;
	return 0;
}

static int write_point(struct curve *curve, size_t size, uint8_t *x, uint8_t *y)
{
	if (EC_POINT_get_affine_coordinates(curve->group, curve->point, curve->x, curve->y,
					    curve->context) != 1 ||
	    BN_bn2binpad(curve->x, x, size) < 0 || (y && BN_bn2binpad(curve->y, y, size) < 0))
		return -EIO;
	return 0;
}

static int make_curve(struct ike_key_exchange *exchange)
{
	size_t size = exchange->group->private_size;
	struct curve curve = {};
	int r = curve_init(&curve, exchange->group, exchange->private_value);

	if (r >= 0)
		r = EC_POINT_mul(curve.group, curve.point, curve.scalar, NULL, NULL,
				 curve.context) == 1
			    ? write_point(&curve, size, exchange->public_value,
					  exchange->public_value + size)
			    : -EIO;
	curve_deinit(&curve);
	return r;
}

static int derive_curve(const struct ike_key_exchange *exchange, const uint8_t *peer_value,
			uint8_t *shared)
{
	size_t size = exchange->group->private_size;
	struct curve curve = {};
	int r = curve_init(&curve, exchange->group, exchange->private_value);

	if (r < 0) {
		curve_deinit(&curve);
		return r;
	}
	if (!BN_bin2bn(peer_value, size, curve.x) || !BN_bin2bn(peer_value + size, size, curve.y))
		r = -EIO;
	/* Refuses what is not on the curve; its order being prime, there are no small subgroups. */
	else if (EC_POINT_set_affine_coordinates(curve.group, curve.point, curve.x, curve.y,
						 curve.context) != 1 ||
		 EC_POINT_is_on_curve(curve.group, curve.point, curve.context) != 1)
		r = -EBADMSG;
	else if (EC_POINT_mul(curve.group, curve.point, NULL, curve.point, curve.scalar,
			      curve.context) != 1)
		r = -EIO;
	else
		r = write_point(&curve, size, shared, NULL);
	curve_deinit(&curve);
	return r;
}

static const struct group groups[] = {
	{ IKE_GROUP_X25519, "x25519", 0, 32, 32, 32, make_x25519, derive_x25519 },
	{ IKE_GROUP_P256, "ecp256", NID_X9_62_prime256v1, 32, 64, 32, make_curve, derive_curve },
	{ IKE_GROUP_P384, "ecp384", NID_secp384r1, 48, 96, 48, make_curve, derive_curve },
};

static const struct group *find_group(uint16_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

size_t ike_group_public_size(uint16_t id)
{
	const struct group *group = find_group(id);

	return group ? group->public_size : 0;
}

const char *ike_group_name(uint16_t id)
{
	const struct group *group = find_group(id);

	return group ? group->name : NULL;
}

int ike_key_exchange_begin(uint16_t id, const struct ike_random *random,
			   struct ike_key_exchange **ret)
{
	cleanup(ike_key_exchange_freep) struct ike_key_exchange *exchange = NULL;
	const struct group *group = find_group(id);
	int r;

	if (!group)
		return -EOPNOTSUPP;
	exchange = calloc(1, sizeof *exchange);
	if (!exchange)
		return -ENOMEM;
	exchange->group = group;
	do {
		random->fill(random->userdata, exchange->private_value, group->private_size);
		r = group->make(exchange);
	} while (r == -EAGAIN);
	if (r < 0)
		return r;
	*ret = steal_ptr(exchange);
	return 0;
}

int ike_key_exchange_finish(const struct ike_key_exchange *exchange, struct ike_octets answer,
			    struct ike_shared *ret)
{
	const struct group *group = exchange->group;
	int r;

	if (answer.size != group->public_size)
		return -EBADMSG;
	r = group->derive(exchange, answer.data, ret->data);
	if (r < 0) {
		ERR_clear_error();
		return r;
	}
	ret->size = group->shared_size;
	return 0;
}

int ike_key_exchange_answer(uint16_t group, const struct ike_random *random,
			    struct ike_octets offered, struct ike_key_exchange **ret,
			    struct ike_shared *ret_shared)
{
	cleanup(ike_key_exchange_freep) struct ike_key_exchange *exchange = NULL;
	int r;

	/* Before the work of making a key. */
	if (find_group(group) && offered.size != ike_group_public_size(group))
		return -EBADMSG;
	r = ike_key_exchange_begin(group, random, &exchange);
	if (r >= 0)
		r = ike_key_exchange_finish(exchange, offered, ret_shared);
	if (r < 0)
		return r;
	*ret = steal_ptr(exchange);
	return 0;
}

struct ike_key_exchange *ike_key_exchange_free(struct ike_key_exchange *exchange)
{
	if (!exchange)
		return NULL;
	EVP_PKEY_free(exchange->key);
	OPENSSL_cleanse(exchange, sizeof *exchange);
	free(exchange);
	return NULL;
}

uint16_t ike_key_exchange_group(const struct ike_key_exchange *exchange)
{
	return exchange->group->id;
}

struct ike_octets ike_key_exchange_public(const struct ike_key_exchange *exchange)
{
	return (struct ike_octets){ exchange->public_value, exchange->group->public_size };
}

struct ike_octets ike_shared_octets(const struct ike_shared *shared)
{
	return (struct ike_octets){ shared->data, shared->size };
}

void ike_shared_wipe(struct ike_shared *shared)
{
	OPENSSL_cleanse(shared, sizeof *shared);
}
