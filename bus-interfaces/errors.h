/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Error names on the bus, the same in every interface; bus-interfaces/README says when each is
 * sent. */
#define HOMEWARD_ERROR_INVALID_ARGUMENT  "org.homeward.Error.InvalidArgument"
#define HOMEWARD_ERROR_ACCESS_DENIED     "org.homeward.Error.AccessDenied"
#define HOMEWARD_ERROR_NOT_SIGNED_IN     "org.homeward.Error.NotSignedIn"
#define HOMEWARD_ERROR_ALREADY_SIGNED_IN "org.homeward.Error.AlreadySignedIn"
#define HOMEWARD_ERROR_BUSY              "org.homeward.Error.Busy"
#define HOMEWARD_ERROR_NO_SUCH_OBJECT    "org.homeward.Error.NoSuchObject"
#define HOMEWARD_ERROR_ALREADY_EXISTS    "org.homeward.Error.AlreadyExists"
#define HOMEWARD_ERROR_NOT_ESTABLISHED   "org.homeward.Error.NotEstablished"
#define HOMEWARD_ERROR_LIMITS_EXCEEDED   "org.homeward.Error.LimitsExceeded"
#define HOMEWARD_ERROR_WRONG_PASSWORD    "org.homeward.Error.WrongPassword"
#define HOMEWARD_ERROR_NOT_PUBLISHED     "org.homeward.Error.NotPublished"
#define HOMEWARD_ERROR_FAILED            "org.homeward.Error.Failed"
