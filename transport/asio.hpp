// The one door to Boost.Asio. Version 1.74 in C++20 mode uses std::exchange without including <utility>,
// so that comes first; nothing else may include Asio by itself.
#pragma once

#include <utility>

#define BOOST_ASIO_NO_DEPRECATED
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
